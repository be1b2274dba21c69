"""The losses. To change how photochrom is trained, start here: a loss is a module from (logits, ab) to a scalar.

logits: float [N, 313, h, w] of the network; ab: float [N, 2, h, w], the true colours at the network's stride.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from .. import ab_bins
from ..data.photograph import NEAR_GREY


class SoftTargets(nn.Module):
    """ab_bins.soft_encode in torch: ab [N, 2, h, w] -> (bins [N, k, h, w] int64, weights [N, k, h, w])."""

    candidates: Tensor
    centres: Tensor

    def __init__(self, k: int = ab_bins.NEIGHBOURS, sigma: float = ab_bins.SIGMA) -> None:
        super().__init__()
        table, self.side = ab_bins.candidate_table(k)
        self.k, self.sigma = k, sigma
        padded = np.concatenate([ab_bins.CENTRES, [[1e4, 1e4]]])  # padding of the table, never a nearest bin
        self.register_buffer("candidates", torch.from_numpy(table.copy()), persistent=False)
        self.register_buffer("centres", torch.from_numpy(padded).float(), persistent=False)

    def forward(self, ab: Tensor) -> tuple[Tensor, Tensor]:
        flat = ab.permute(0, 2, 3, 1).float()  # [N, h, w, 2]
        cell = ((flat + ab_bins.AB_LIMIT) / self.side).long().clamp(0, self.candidates.shape[0] - 1)
        candidates = self.candidates[cell[..., 0], cell[..., 1]]  # [N, h, w, m], rising index
        squared = ((flat.unsqueeze(-2) - self.centres[candidates]) ** 2).sum(-1)
        nearest, order = squared.sort(dim=-1, stable=True)
        nearest, bins = nearest[..., : self.k], candidates.gather(-1, order[..., : self.k])
        weights = torch.softmax(-nearest / (2 * self.sigma**2), dim=-1)
        return bins.permute(0, 3, 1, 2), weights.permute(0, 3, 1, 2)


class RebalancedCrossEntropy(nn.Module):
    """Equation 2 of the paper: - sum over pixels of w * sum_q Z_q log Zhat_q, divided by the number of pixels.

    prior: [313], of the training set. lam: share of the uniform distribution in the weights; 1 turns rebalancing off.
    """

    class_weights: Tensor

    def __init__(
        self,
        prior: np.ndarray,
        lam: float = ab_bins.LAMBDA,
        k: int = ab_bins.NEIGHBOURS,
        sigma: float = ab_bins.SIGMA,
    ) -> None:
        super().__init__()
        self.targets = SoftTargets(k, sigma)
        weights = torch.from_numpy(ab_bins.class_weights(prior, lam)).float()
        self.register_buffer("class_weights", weights, persistent=False)

    def summed(self, logits: Tensor, ab: Tensor) -> tuple[Tensor, Tensor]:
        """(sum over the pixels, number of pixels) of photographs that are not near grey."""
        bins, soft = self.targets(ab)
        # Only the k non-zero terms of the soft code: the full [N, 313, h, w] target is never made.
        log_probability = functional.log_softmax(logits.float(), dim=1).gather(1, bins)
        cross_entropy = -(soft * log_probability).sum(1)  # [N, h, w]
        weight = self.class_weights[bins[:, 0]] * coloured(ab)[:, None, None]
        return (weight * cross_entropy).sum(), coloured(ab).sum() * cross_entropy[0].numel()

    def forward(self, logits: Tensor, ab: Tensor) -> Tensor:
        total, pixels = self.summed(logits, ab)
        return total / pixels.clamp(min=1)


class RebalancedDistance(nn.Module):
    """Distance in the ab plane between decoded and true colours, in units of 100, weighted by the class of the truth.

    Its mean is what the AuC measures, but for a constant: a pixel's part in that is 1 - distance / 150. With a small
    lam the weights are those of the rebalanced AuC. Cross-entropy fits the whole distribution; this loss
    fits the decoded colour.
    """

    class_weights: Tensor

    def __init__(self, prior: np.ndarray, lam: float) -> None:
        super().__init__()
        self.targets = SoftTargets(1)
        weights = torch.from_numpy(ab_bins.class_weights(prior, lam)).float()
        self.register_buffer("class_weights", weights, persistent=False)

    def summed(self, decoded: Tensor, ab: Tensor) -> Tensor:
        """The sum over pixels of photographs that are not near grey. decoded, ab: [N, 2, h, w]."""
        nearest = self.targets(ab)[0][:, 0]
        distance = ((decoded - ab).square().sum(1) + 1).sqrt()  # + 1: a slope at 0 that does not jump
        return (self.class_weights[nearest] * distance / 100 * coloured(ab)[:, None, None]).sum()


def coloured(ab: Tensor) -> Tensor:
    """[N] 1.0 for photographs with some |a| or |b| above NEAR_GREY, else 0.0."""
    return (ab.abs().amax(dim=(1, 2, 3)) > NEAR_GREY).float()

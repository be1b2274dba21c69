"""Heads: what a network's output means. Each says how many channels it needs, what its loss is and how it becomes ab.

    classification   313 bins, rebalanced cross-entropy, annealed mean       (Zhang et al. 2016: `full`, `class`)
    regression       ab itself, squared distance                             (their `L2`)
    hue-chroma       32 hues and 32 chromas, cross-entropy, expectation      (Larsson et al. 2016)
    uv               the UV of Y'UV, squared distance                        (Dahl 2016)

To add a loss: write a class here, and name it in HEADS and in recipe.Loss. Shapes: output [N, channels, h, w] of the
network; ab [N, 2, h, w], the true colours at the network's stride, and lightness [N, 1, h, w] beside them, CIE units.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..ab_bins import CENTRES, Q
from .lab_torch import lab_to_rgb, lightness_to_grey, rgb_float_to_lab
from .losses import RebalancedCrossEntropy, coloured
from .recipe import Loss

AB_SCALE = 110.0  # ab units per unit of a regression's output: the range of the bins
HUES = CHROMAS = 32
MOST_CHROMA = 128.0  # ab units: the upper end of the last chroma bin
FADING = 0.03  # Larsson et al., section 4.2: below this concentration of the hue distribution, chroma is reduced
HUE_WEIGHT = 5.0  # and section 4.1: of the hue's loss beside the chroma's
UV_FROM_RGB = ((-0.14713, -0.28886, 0.436), (0.615, -0.51499, -0.10001))  # of gamma-coded RGB (BT.601)
Y_FROM_RGB = (0.299, 0.587, 0.114)
LUMA_STEPS = 2  # of fixed-point iteration, when UV becomes ab


class Head(nn.Module, ABC):
    """channels: number of network outputs that the head needs."""

    channels: int

    @abstractmethod
    def loss(self, output: Tensor, ab: Tensor, lightness: Tensor) -> tuple[Tensor, Tensor]:
        """(sum over pixels, number of pixels): a mean over several processes needs both."""

    @abstractmethod
    def decode(self, output: Tensor, lightness: Tensor, temperature: float | Tensor) -> Tensor:
        """ab [N, 2, h, w] in CIE units. temperature sharpens distributions; a regression ignores it."""

    def probabilities(self, output: Tensor) -> Tensor | None:
        """[N, 313, h, w] at temperature 1, of heads over the 313 bins."""
        return None


def _pixels(ab: Tensor) -> Tensor:
    """How many pixels count: those of photographs that are not near grey."""
    return coloured(ab).sum() * ab.shape[2] * ab.shape[3]


class Classification(Head):
    """A distribution over the 313 bins; equations 2 (loss) and 5 (annealed mean) of the paper."""

    channels = Q
    centres: Tensor

    def __init__(self, settings: Loss, prior: np.ndarray) -> None:
        super().__init__()
        self.cross_entropy = RebalancedCrossEntropy(prior, settings.lam, settings.k, settings.sigma)
        centres = torch.tensor(CENTRES, dtype=torch.float32).T[:, :, None, None]  # [2, 313, 1, 1]
        self.register_buffer("centres", centres.contiguous(), persistent=False)

    def loss(self, output: Tensor, ab: Tensor, lightness: Tensor) -> tuple[Tensor, Tensor]:
        return self.cross_entropy.summed(output, ab)

    def decode(self, output: Tensor, lightness: Tensor, temperature: float | Tensor) -> Tensor:
        return functional.conv2d(torch.softmax(output.float() / temperature, dim=1), self.centres)

    def probabilities(self, output: Tensor) -> Tensor:
        return torch.softmax(output.float(), dim=1)


class Regression(Head):
    """ab / 110 by half the squared distance (equation 1 of the paper)."""

    channels = 2

    def __init__(self, settings: Loss, prior: np.ndarray) -> None:
        super().__init__()

    def loss(self, output: Tensor, ab: Tensor, lightness: Tensor) -> tuple[Tensor, Tensor]:
        squared = (output.float() - ab / AB_SCALE).square().sum(1) / 2  # [N, h, w]
        return (squared * coloured(ab)[:, None, None]).sum(), _pixels(ab)

    def decode(self, output: Tensor, lightness: Tensor, temperature: float | Tensor) -> Tensor:
        return output.float() * AB_SCALE


class HueChroma(Head):
    """Two histograms, of hue and of chroma, in the polar coordinates of the ab plane (ours: theirs were those of HSL).

    The loss is the cross-entropy with both (KL divergence but for a constant); hue is weighted by chroma, since
    grey has no hue. Decode: both expectations, the hue's on the circle, with chroma fading where hues disagree.
    """

    channels = HUES + CHROMAS
    hues: Tensor
    chromas: Tensor

    def __init__(self, settings: Loss, prior: np.ndarray) -> None:
        super().__init__()
        angle = (torch.arange(HUES) + 0.5) * (2 * math.pi / HUES)
        hues = torch.stack([angle.cos(), angle.sin()])[:, :, None, None]  # [2, 32, 1, 1]
        chromas = ((torch.arange(CHROMAS) + 0.5) * (MOST_CHROMA / CHROMAS))[None, :, None, None]
        self.register_buffer("hues", hues, persistent=False)
        self.register_buffer("chromas", chromas, persistent=False)

    def loss(self, output: Tensor, ab: Tensor, lightness: Tensor) -> tuple[Tensor, Tensor]:
        hue_log, chroma_log = (part.log_softmax(1) for part in output.float().split([HUES, CHROMAS], 1))
        chroma = ab.norm(dim=1)
        turn = torch.atan2(ab[:, 1], ab[:, 0]) / (2 * math.pi)
        hue_loss = _between(hue_log, turn * HUES - 0.5, circular=True)
        chroma_loss = _between(chroma_log, chroma * (CHROMAS / MOST_CHROMA) - 0.5, circular=False)
        both = chroma_loss + HUE_WEIGHT * chroma / MOST_CHROMA * hue_loss  # [N, h, w]
        return (both * coloured(ab)[:, None, None]).sum(), _pixels(ab)

    def decode(self, output: Tensor, lightness: Tensor, temperature: float | Tensor) -> Tensor:
        hue, chroma = ((part / temperature).softmax(1) for part in output.float().split([HUES, CHROMAS], 1))
        way = functional.conv2d(hue, self.hues)  # [N, 2, h, w], shorter where the hues disagree
        length = way.norm(dim=1, keepdim=True).clamp(min=1e-6)
        expected = (chroma * self.chromas).sum(1, keepdim=True)
        return way / length * expected * (length / FADING).clamp(max=1)


def _between(log_probability: Tensor, position: Tensor, circular: bool) -> Tensor:
    """Cross-entropy with a target between two neighbouring bins: log_probability [N, bins, h, w], position [N, h, w] in
    bins, from the first bin's centre."""
    bins = log_probability.shape[1]
    if not circular:
        position = position.clamp(0, bins - 1)
    low = position.floor()
    share = position - low
    first = low.long() % bins
    second = (first + 1) % bins if circular else (first + 1).clamp(max=bins - 1)
    picked = [log_probability.gather(1, index[:, None])[:, 0] for index in (first, second)]
    return -((1 - share) * picked[0] + share * picked[1])


class Uv(Head):
    """The two colour channels of Y'UV of gamma-coded sRGB, by half the squared distance."""

    channels = 2
    to_uv: Tensor
    to_rgb: Tensor

    def __init__(self, settings: Loss, prior: np.ndarray) -> None:
        super().__init__()
        matrix = torch.tensor([Y_FROM_RGB, *UV_FROM_RGB])
        self.register_buffer("to_uv", matrix[1:, :, None, None], persistent=False)  # [2, 3, 1, 1]
        self.register_buffer("to_rgb", torch.linalg.inv(matrix)[:, 1:, None, None].contiguous(), persistent=False)

    def loss(self, output: Tensor, ab: Tensor, lightness: Tensor) -> tuple[Tensor, Tensor]:
        uv = functional.conv2d(lab_to_rgb(torch.cat([lightness, ab], 1)), self.to_uv)
        squared = (output.float() - uv).square().sum(1) / 2  # [N, h, w]
        return (squared * coloured(ab)[:, None, None]).sum(), _pixels(ab)

    def decode(self, output: Tensor, lightness: Tensor, temperature: float | Tensor) -> Tensor:
        uv = functional.conv2d(output.float(), self.to_rgb)
        grey = wanted = lightness_to_grey(lightness)
        for _ in range(LUMA_STEPS):  # the luma at which these UV give the required lightness
            reached = rgb_float_to_lab((grey + uv).clamp(0, 1))[:, :1]
            grey = (grey + wanted - lightness_to_grey(reached)).clamp(0, 1)
        return rgb_float_to_lab((grey + uv).clamp(0, 1))[:, 1:]


HEADS: dict[str, type[Head]] = {
    "classification": Classification, "regression": Regression, "hue-chroma": HueChroma, "uv": Uv,
}  # fmt: skip

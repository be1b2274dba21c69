"""A network with its decode: what a model file computes.

(lightness [N, 1, H, W] 0..100, temperature [1]) -> (ab [N, 2, H/s, W/s],), and over the 313 bins also the probabilities
[N, 313, H/s, W/s] at temperature 1.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from .. import ab_bins
from ..errors import SettingError
from .heads import Classification, Head


class Softened(nn.Module):
    """A network whose input is downsampled by `factor` and upsampled again, which removes the finest detail.

    For a network trained on upsampled small photographs, which has never seen sharper ones.
    """

    def __init__(self, network: nn.Module, factor: int) -> None:
        super().__init__()
        self.network, self.factor, self.stride = network, factor, network.stride

    def forward(self, lightness: Tensor) -> Tensor:
        small = functional.avg_pool2d(lightness, self.factor)
        soft = functional.interpolate(small, scale_factor=float(self.factor), mode="bilinear", align_corners=False)
        result: Tensor = self.network(soft)
        return result


class Decoded(nn.Module):
    """Of a network over the 313 bins: (lightness, temperature) -> (ab, probabilities).

    bias: [313], added to the logits. A network trained with class weights w tends to w * p(colour), normalised; adding
    (r - 1) * log w afterwards gives the network of the weights w^r.
    """

    centres: Tensor
    bias: Tensor

    def __init__(self, network: nn.Module, bias: NDArray[np.float64] | None = None) -> None:
        super().__init__()
        self.network = network
        self.stride = network.stride
        self.register_buffer("centres", torch.tensor(ab_bins.CENTRES, dtype=torch.float32))
        offset = np.zeros(ab_bins.Q) if bias is None else bias
        self.register_buffer("bias", torch.tensor(offset, dtype=torch.float32)[:, None, None])

    def forward(self, lightness: Tensor, temperature: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.network(lightness) + self.bias
        # Bins last: softmax and expectation then read contiguous memory.
        last = logits.permute(0, 2, 3, 1)
        ab = torch.matmul(torch.softmax(last / temperature, dim=-1), self.centres).permute(0, 3, 1, 2)
        return ab, torch.softmax(last, dim=-1).permute(0, 3, 1, 2)


class DecodedByHead(nn.Module):
    """Of any other head: (lightness, temperature) -> (ab,)."""

    def __init__(self, network: nn.Module, head: Head) -> None:
        super().__init__()
        self.network, self.head = network, head
        self.stride: int = network.stride  # type: ignore[assignment]

    def forward(self, lightness: Tensor, temperature: Tensor) -> tuple[Tensor]:
        small = functional.avg_pool2d(lightness, self.stride) if self.stride > 1 else lightness
        ab = self.head.decode(self.network(lightness), small, temperature)
        return (ab + 0 * temperature,)  # unused by a regression, but required by the graph contract


def decoded(
    network: nn.Module, head: Head, prior: NDArray[np.float64], lam: float, rebalance: float = 1.0
) -> Decoded | DecodedByHead:
    """The network with its head's decode, in eval mode; rebalance: see rebalancing_bias, 1 for other heads."""
    if isinstance(head, Classification):
        return Decoded(network, rebalancing_bias(prior, lam, rebalance)).eval()
    if rebalance != 1:
        raise SettingError(f"rebalance is {rebalance}; expected 1, because this network has no classes to rebalance")
    return DecodedByHead(network, head).eval()


def rebalancing_bias(prior: NDArray[np.float64], lam: float, strength: float) -> NDArray[np.float64]:
    """What to add to the logits of a network trained with lambda `lam`, so that its class weights act with exponent
    `strength`: 1 leaves it as trained, 0 undoes the rebalancing (see Decoded)."""
    if not 0 <= strength <= 2:
        raise SettingError(f"rebalance is {strength}; expected 0..2")
    return (strength - 1) * np.log(ab_bins.class_weights(prior, lam))

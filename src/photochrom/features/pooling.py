"""Features of every stage, pooled to about the same number of values: the input of a probe's linear classifiers.

The paper pools AlexNet's conv1 ... conv5 to 10x10, 6x6, 5x5, 5x5 and 6x6 cells, 9,216 to 9,600 numbers each (section
3.2). The side nearest to 9,600 numbers is just that for its channel counts, and is the rule here for any other.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from .trunk import Trunk

NUMBERS = 9600  # features of a stage, about


def pooled_side(channels: int, numbers: int = NUMBERS) -> int:
    """Cells along each side so that channels * side^2 is near to `numbers`, at least 1."""
    return max(1, round(math.sqrt(numbers / channels)))


class PooledTrunk(nn.Module):
    """A frozen trunk and the average of its features over a grid of cells.

    uint8 sRGB [N, 3, size, size] -> {stage: float32 [N, C, side, side]}, without gradients. sides: of each stage, as
    pooled_side says, but never more than the stage's own resolution at `size` pixels: small photographs give fewer
    numbers. scales: of each stage, what its features are multiplied by; 1 until `calibrate`.
    """

    def __init__(self, trunk: Trunk, size: int, numbers: int = NUMBERS) -> None:
        super().__init__()
        self.trunk, self.size = trunk.eval().requires_grad_(False), size
        self.sides = {
            stage: min(pooled_side(channels, numbers), max(1, size // trunk.strides[stage]))
            for stage, channels in trunk.channels.items()
        }
        self.scales = dict.fromkeys(trunk.stages, 1.0)

    @property
    def shapes(self) -> dict[str, tuple[int, int, int]]:
        """Of each stage: channels, side, side."""
        return {stage: (self.trunk.channels[stage], side, side) for stage, side in self.sides.items()}

    def calibrate(self, rgb: Tensor) -> None:
        """Set the scales so that each stage's features of these photographs have the standard deviation 1.

        A probe's batch norm compensates any scale. But the small features of an untrained network must not underflow at
        16 bits, nor vanish against the epsilon of batch norm.
        """
        self.scales = dict.fromkeys(self.scales, 1.0)
        for stage, x in self(rgb).items():
            spread = float(x.std())
            self.scales[stage] = 1 / spread if spread > 0 and math.isfinite(spread) else 1.0

    @torch.no_grad()
    def forward(self, rgb: Tensor) -> dict[str, Tensor]:
        features = self.trunk(self.trunk.prepare(rgb))
        return {
            stage: functional.adaptive_avg_pool2d(x.float(), self.sides[stage]) * self.scales[stage]
            for stage, x in features.items()
        }

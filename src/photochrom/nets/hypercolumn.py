"""The two networks on hypercolumns that the paper compares itself with (section 3.1, table 1).

A pixel's hypercolumn is the features of all layers of a VGG-16 at that place. Larsson et al. 2016 put a fully connected
layer on it; Dahl 2016 adds the layers up one by one, from coarse to fine. Both start from scratch, or from ImageNet by
network.trunk.load_vgg16(state dict, its file).
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from .vgg16 import LAYERS, VGG16Trunk, scaled

WIDE = 1024  # channels of the fully connected layer of Larsson et al.
DAHL_LAYERS = ("conv4_3", "conv3_3", "conv2_2", "conv1_2")  # coarse to fine: the last ones ahead of each maximum


class Larsson(nn.Module):
    """Larsson, Maire and Shakhnarovich 2016: hypercolumn -> fully connected with ReLU -> `outputs`.

    The hypercolumn is the lightness and the 15 layers of VGG16Trunk up to conv7: 6273 channels at width 1. It is never
    made: bilinear interpolation and the fully connected layer are both linear, so each layer's share of that layer is
    computed apart, at the coarser of its own resolution and the output's, and the shares are resized and summed.

    width: factor on every channel count but the outputs. Raises ValueError for a width without channels.
    """

    stride = 4

    def __init__(self, outputs: int, width: float = 1.0) -> None:
        super().__init__()
        self.trunk = VGG16Trunk(width, last="conv7")
        # One bias would do for the sum. With one each, a data-dependent initialisation can centre each share.
        self.shares = nn.ModuleList(
            nn.Conv2d(channels, scaled(WIDE, width), 1) for channels in (1, *self.trunk.channels)
        )
        self.predict = nn.Conv2d(scaled(WIDE, width), outputs, 1)

    def forward(self, lightness: Tensor, positions: Tensor | None = None) -> Tensor:
        """lightness: [N, 1, H, W], 0..100, multiples of 32 -> logits [N, outputs, H/4, W/4].

        positions: [N, P, 2], (x, y) in 0..1 across the picture -> logits [N, outputs, P, 1] there, at the cost of P
        hypercolumns: what Larsson et al. train on (section 4.1). At the centres of the cells of the dense output both
        are the same.
        """
        features = [(lightness - 50) / 100, *self.trunk(lightness)]
        summed: Tensor | None = None
        for share, x, stride in zip(self.shares, features, (1, *self.trunk.strides), strict=True):
            part = self._share(share, x, stride, positions)
            summed = part if summed is None else summed + part
        assert summed is not None  # there is at least the lightness
        output: Tensor = self.predict(functional.relu(summed, inplace=True))
        return output

    def _share(self, share: nn.Module, x: Tensor, stride: int, positions: Tensor | None) -> Tensor:
        """One layer's part of the fully connected layer, [N, wide, H/4, W/4] or [N, wide, P, 1]."""
        if positions is not None:
            grid = 2 * positions[:, :, None].to(x.dtype) - 1  # [N, P, 1, 2], -1..1 from edge to edge
            # "border" is what resizing does within half a pixel of the edge.
            sampled: Tensor = share(functional.grid_sample(x, grid, padding_mode="border", align_corners=False))
            return sampled
        if stride > self.stride:
            return _resized(share(x), stride / self.stride)
        resized: Tensor = share(_resized(x, stride / self.stride))
        return resized


class Dahl(nn.Module):
    """Dahl's residual encoder (2016, "Automatic Colorization"): lightness [N, 1, H, W] (0..100, multiples of 32) to
    [N, outputs, H, W].

    From conv4_3 of a VGG-16 on: a 1x1 convolution to the channels of the next finer layer, batch norm, ReLU, bilinear
    doubling, and the finer layer's features, batch-normed, are added, down to conv1_2; then two 3x3 convolutions.

    width: factor on every channel count but the outputs. Raises ValueError for a width without channels.
    """

    stride = 1

    def __init__(self, outputs: int = 2, width: float = 1.0) -> None:
        super().__init__()
        self.trunk = VGG16Trunk(width, last=DAHL_LAYERS[0])
        full = {name: channels for name, channels, _ in LAYERS}
        channels = [scaled(full[name], width) for name in DAHL_LAYERS]
        self.norms = nn.ModuleList(nn.BatchNorm2d(n) for n in channels)
        self.steps = nn.ModuleList(
            nn.Sequential(nn.Conv2d(coarse, fine, 1, bias=False), nn.BatchNorm2d(fine), nn.ReLU(inplace=True))
            for coarse, fine in pairwise(channels)
        )
        finest = channels[-1]
        self.predict = nn.Sequential(
            nn.Conv2d(finest, finest, 3, padding=1, bias=False), nn.BatchNorm2d(finest), nn.ReLU(inplace=True),
            nn.Conv2d(finest, outputs, 3, padding=1),
        )  # fmt: skip

    def forward(self, lightness: Tensor) -> Tensor:
        features = dict(zip(self.trunk.names, self.trunk(lightness), strict=True))
        coarse, *finer = (norm(features[name]) for norm, name in zip(self.norms, DAHL_LAYERS, strict=True))
        x: Tensor = coarse
        for step, fine in zip(self.steps, finer, strict=True):
            x = _resized(step(x), 2) + fine
        output: Tensor = self.predict(x)
        return output


def _resized(x: Tensor, factor: float) -> Tensor:
    """Bilinear, without smoothing: sampled at the centres of the new cells."""
    if factor == 1:
        return x
    return functional.interpolate(x, scale_factor=float(factor), mode="bilinear", align_corners=False)

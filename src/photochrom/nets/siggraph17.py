"""The network of "Real-Time User-Guided Image Colorization with Learned Deep Priors" (Zhang et al., SIGGRAPH 2017).

Its state-dict keys are those of the authors' public PyTorch weights (model1.0.weight ... model_out.0.bias). Here it
colours without a user: the hints and their mask are zeros.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .eccv16 import BLOCKS

CLASSES = 529  # ab bins of the branch that the authors trained beside the regression: the 313 and those outside sRGB
AB_SCALE = 110.0  # ab units of a hint or an output of 1


class SIGGRAPH17(nn.Module):
    """Lightness [N, 1, H, W] (0..100, multiples of 8) to ab [N, 2, H, W] in CIE units, within +-110.

    width: factor on every channel count but the inputs, the 529 and the 2; 1 is the paper's. Raises ValueError for a
    width that leaves a layer without channels.
    """

    stride = 1

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        if not width >= 1 / 64:
            raise ValueError(f"width is {width}; expected at least 1/64")

        def scaled(channels: int) -> int:
            return max(1, round(channels * width))

        # conv1..conv7 of the network of 2016, but every other pixel is taken after 1, 2 and 3 instead of strides.
        inputs = 1 + 2 + 1  # lightness, hints, mask
        for number, (channels, convolutions, _, dilation) in enumerate(BLOCKS, 1):
            layers = _convolutions(inputs, scaled(channels), convolutions, dilation)
            self.add_module(f"model{number}", nn.Sequential(*layers, nn.BatchNorm2d(scaled(channels))))
            inputs = scaled(channels)
        fine, half, quarter = scaled(64), scaled(128), scaled(256)
        self.model8up = nn.Sequential(nn.ConvTranspose2d(inputs, quarter, 4, 2, 1))
        self.model3short8 = nn.Sequential(nn.Conv2d(quarter, quarter, 3, padding=1))
        self.model8 = nn.Sequential(nn.ReLU(inplace=True), *_convolutions(quarter, quarter, 2), nn.BatchNorm2d(quarter))
        self.model9up = nn.Sequential(nn.ConvTranspose2d(quarter, half, 4, 2, 1))
        self.model2short9 = nn.Sequential(nn.Conv2d(half, half, 3, padding=1))
        self.model9 = nn.Sequential(nn.ReLU(inplace=True), *_convolutions(half, half, 1), nn.BatchNorm2d(half))
        self.model10up = nn.Sequential(nn.ConvTranspose2d(half, half, 4, 2, 1))
        self.model1short10 = nn.Sequential(nn.Conv2d(fine, half, 3, padding=1))
        self.model10 = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(half, half, 3, padding=1), nn.LeakyReLU(0.2))
        self.model_class = nn.Sequential(nn.Conv2d(quarter, CLASSES, 1))  # not used for ab; kept with its weights
        self.model_out = nn.Sequential(nn.Conv2d(half, 2, 1), nn.Tanh())

    def forward(self, lightness: Tensor) -> Tensor:
        x = (lightness - 50) / 100
        nothing = torch.zeros_like(x)
        at1 = self._block(1, torch.cat([x, nothing, nothing, nothing], dim=1))
        at2 = self._block(2, at1[:, :, ::2, ::2])
        at4 = self._block(3, at2[:, :, ::2, ::2])
        x = self._block(4, at4[:, :, ::2, ::2])
        for number in (5, 6, 7):
            x = self._block(number, x)
        x = self.model8(self.model8up(x) + self.model3short8(at4))
        x = self.model9(self.model9up(x) + self.model2short9(at2))
        x = self.model10(self.model10up(x) + self.model1short10(at1))
        return self.model_out(x) * AB_SCALE

    def _block(self, number: int, x: Tensor) -> Tensor:
        return getattr(self, f"model{number}")(x)


def _convolutions(inputs: int, outputs: int, number: int, dilation: int = 1) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for _ in range(number):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation), nn.ReLU(inplace=True)]
        inputs = outputs
    return layers

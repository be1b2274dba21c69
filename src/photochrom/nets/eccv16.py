"""The network of "Colorful Image Colorization" (Zhang, Isola, Efros, 2016, table 4), layer for layer.

Its state-dict keys are those of the authors' public PyTorch weights (model1.0.weight ... model8.6.bias).
"""

from __future__ import annotations

from torch import Tensor, nn

from ..ab_bins import Q

# (channels, convolutions, stride of the last, dilation) of the blocks conv1..conv7
BLOCKS = ((64, 2, 2, 1), (128, 2, 2, 1), (256, 3, 2, 1), (512, 3, 1, 1), (512, 3, 1, 2), (512, 3, 1, 2), (512, 3, 1, 1))


class ECCV16(nn.Module):
    """Lightness [N, 1, H, W] (0..100, multiples of 8) to [N, outputs, H/4, W/4], by default the logits of the 313
    bins.

    width: factor on every channel count but the outputs; 1 is the paper's (32.24 M parameters), 0.25 trains on a CPU.
    Raises ValueError for a width that leaves a layer without channels.
    """

    stride = 4

    def __init__(self, width: float = 1.0, outputs: int = Q) -> None:
        super().__init__()
        if not width >= 1 / 64:
            raise ValueError(f"width is {width}; expected at least 1/64")

        def scaled(channels: int) -> int:
            return max(1, round(channels * width))

        inputs = 1
        for number, (channels, convolutions, stride, dilation) in enumerate(BLOCKS, 1):
            layers: list[nn.Module] = []
            for i in range(convolutions):
                step = stride if i == convolutions - 1 else 1
                layers += [
                    nn.Conv2d(inputs, scaled(channels), 3, step, padding=dilation, dilation=dilation),
                    nn.ReLU(inplace=True),
                ]
                inputs = scaled(channels)
            setattr(self, f"model{number}", nn.Sequential(*layers, nn.BatchNorm2d(inputs)))
        narrow = scaled(256)
        self.model8 = nn.Sequential(
            nn.ConvTranspose2d(inputs, narrow, 4, 2, 1), nn.ReLU(inplace=True),
            nn.Conv2d(narrow, narrow, 3, padding=1), nn.ReLU(inplace=True),
            nn.Conv2d(narrow, narrow, 3, padding=1), nn.ReLU(inplace=True),
            nn.Conv2d(narrow, outputs, 1),
        )  # fmt: skip

    def forward(self, lightness: Tensor) -> Tensor:
        x = (lightness - 50) / 100
        for number in range(1, len(BLOCKS) + 2):
            x = getattr(self, f"model{number}")(x)
        return x

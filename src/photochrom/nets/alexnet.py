"""The AlexNet that the paper trains to colour, to see what it learns (Zhang, Isola, Efros 2016, section 3.2 and
appendix): AlexNet's filters, evaluated densely, with batch norm.

The layers are those of AlexNet (Krizhevsky, Sutskever, Hinton 2012), channels, kernels and groups included, so that a
weight here is a weight there. fc6 and fc7 are convolutions, 6x6 and 1x1. AlexNet's last feature map has stride 32;
colour is wanted at stride 8. So pool2 and pool5 move by 1 instead of 2, and after each all is dilated twice as much:

    layer                  conv1  pool1  conv2  pool2  conv3-5  pool5  fc6  fc7  head
    kernel                 11     3      5      3      3        3      6    1    1
    stride                 4      2      1      1      1        1      1    1    1
    dilation               1      1      1      1      2        2      4    1    1
    stride of the output   4      8      8      8      8        8      8    8    8

Each filter thus sees the same pixels as in AlexNet, 32 pixels between the taps of fc6, but at every eighth pixel.
Where we differ from AlexNet: one lightness channel instead of three of colour; batch norm before each ReLU but the
head's, and so no local response normalisation; no dropout; zeros around, so that H x W gives H/8 x W/8. conv1 is padded
by 5 and pool1 begins at the edge (its last window hangs over): the centre of a cell of the output is then that of its
8 x 8 pixels, to half a pixel.
"""

from __future__ import annotations

from torch import Tensor, nn

from ..ab_bins import Q

# name -> (channels, kernel, stride, padding, dilation, groups)
LAYERS = {
    "conv1": (96, 11, 4, 5, 1, 1),
    "conv2": (256, 5, 1, 2, 1, 2),
    "conv3": (384, 3, 1, 2, 2, 1),
    "conv4": (384, 3, 1, 2, 2, 2),
    "conv5": (256, 3, 1, 2, 2, 2),
    "fc6": (4096, 6, 1, 10, 4, 1),
    "fc7": (4096, 1, 1, 0, 1, 1),
}


class AlexNet(nn.Module):
    """Lightness [N, 1, H, W] (0..100, multiples of 8) to [N, outputs, H/8, W/8], by default the logits of the 313 bins.

    conv1 .. conv5, fc6, fc7 are each convolution, batch norm, ReLU; the pools stand apart, so that the output of such a
    module is the layer's features. head is one 1x1 convolution.

    width: factor on every channel count but the outputs, to the nearest even number (conv2, 4 and 5 have two groups); 1
    is AlexNet's. batch_norm: False gives convolutions with biases instead, the form that absorb_batchnorm
    (features/absorb.py) brings a trained network into. Raises ValueError for a width that leaves a layer without
    channels.
    """

    stride = 8
    conv1: nn.Sequential
    conv2: nn.Sequential
    conv3: nn.Sequential
    conv4: nn.Sequential
    conv5: nn.Sequential
    fc6: nn.Sequential
    fc7: nn.Sequential

    def __init__(self, width: float = 1.0, outputs: int = Q, batch_norm: bool = True) -> None:
        super().__init__()
        if not width >= 1 / 64:
            raise ValueError(f"width is {width}; expected at least 1/64")
        inputs = 1
        for name, (full, kernel, stride, padding, dilation, groups) in LAYERS.items():
            channels = 2 * max(1, round(full * width / 2))
            layer = nn.Sequential(
                nn.Conv2d(inputs, channels, kernel, stride, padding, dilation, groups, bias=not batch_norm),
                nn.BatchNorm2d(channels) if batch_norm else nn.Identity(),
                nn.ReLU(inplace=True),
            )
            setattr(self, name, layer)
            inputs = channels
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.pool2 = nn.MaxPool2d(3, 1, padding=1)
        # MaxPool2d itself refuses to pad by 2. Its inputs are never negative, so zeros do what -infinity would.
        self.pool5 = nn.Sequential(nn.ZeroPad2d(2), nn.MaxPool2d(3, 1, dilation=2))
        self.head = nn.Conv2d(inputs, outputs, 1)

    def forward(self, lightness: Tensor) -> Tensor:
        x = self.pool1(self.conv1(lightness - 50))  # the paper subtracts the middle and does not scale
        x = self.pool2(self.conv2(x))
        x = self.conv5(self.conv4(self.conv3(x)))
        x = self.fc7(self.fc6(self.pool5(x)))
        output: Tensor = self.head(x)
        return output

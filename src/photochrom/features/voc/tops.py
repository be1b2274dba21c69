"""The layers between a trunk's last convolution and the prediction layer: fc6 and fc7, AlexNet's own or new ones."""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...nets.alexnet import AlexNet
from .body import Body

Layout = Literal["whole", "dense", "boxes"]
GRID = 6  # cells a side that a photograph or a box is pooled to: AlexNet's
STRIDE = 32  # pixels between two windows of fc6, in all but the boxes: AlexNet's


class AlexNetTop(nn.Module):
    """fc6 and fc7 of a network that learnt to colour, with dropout behind each, taken out of the network.

    layout: how fc6, a window of 6 x 6 taps 32 pixels apart, is laid over the features of conv5 [N, C, h, w]:
    "whole": at all places where it lies within them, at least one, and the mean of fc7 over these; gives [N, channels].
    "dense": every 32 pixels, the edges padded with zeros; gives [N, channels, H/32, W/32].
    "boxes": on the features of boxes, pooled to 6 x 6 by roi_pooling.py in the place of pool5; gives [N, channels].
    """

    def __init__(self, network: AlexNet, layout: Layout, dropout: float) -> None:
        super().__init__()
        self.layout, self.dropout = layout, nn.Dropout(dropout)
        self.pool5 = network.pool5
        self.fc6, self.fc7 = cast(nn.Sequential, network.fc6), cast(nn.Sequential, network.fc7)
        # Each tensor is saved once; the prediction of colours is not needed any more.
        network.fc6, network.fc7, network.head = nn.Identity(), nn.Identity(), nn.Identity()  # type: ignore[assignment]
        self.step = STRIDE // network.stride
        self.channels = cast(nn.Conv2d, self.fc7[0]).out_channels

    def forward(self, features: Tensor) -> Tensor:
        conv = cast(nn.Conv2d, self.fc6[0])
        weight, bias, dilation = conv.weight, conv.bias, conv.dilation[0]
        if self.layout == "boxes":
            x = functional.conv2d(features, weight, bias)
        else:
            x = self.pool5(features)
            window = dilation * (weight.shape[-1] - 1) + 1  # cells
            if self.layout == "dense":
                # Window i then has its middle half a cell off that of the 32 pixels which its result stands for.
                before = window // 2 - self.step // 2 + 1
                sides = [before, window - 1 - before] * 2
            else:
                lacking = [max(0, window - side) for side in (x.shape[3], x.shape[2])]
                sides = [n for side in lacking for n in (side // 2, side - side // 2)]
            x = functional.conv2d(functional.pad(x, sides), weight, bias, self.step, dilation=dilation)
        x = self.fc6[1:](x)  # batch norm, if it is still there, and ReLU
        x = self.dropout(self.fc7(self.dropout(x)))
        return x if self.layout == "dense" else x.mean(dim=(2, 3))


class NewTop(nn.Module):
    """For trunks without such layers: two new ones. Features [N, C, h, w] of photographs (pooled here) or of boxes
    (pooled already) to [N, channels]."""

    def __init__(self, inputs: int, channels: int, dropout: float) -> None:
        super().__init__()
        self.channels = channels
        self.fc6, self.fc7 = nn.Linear(inputs * GRID**2, channels), nn.Linear(channels, channels)
        self.dropout = nn.Dropout(dropout)
        for layer in (self.fc6, self.fc7):  # He's, which keeps the size of what goes through
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> Tensor:
        x = functional.adaptive_max_pool2d(features, GRID).flatten(1)
        x = self.dropout(functional.relu(self.fc6(x)))
        return self.dropout(functional.relu(self.fc7(x)))


class MeanTop(nn.Module):
    """No layer at all: [N, C, h, w] to its mean over places [N, C], with dropout."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.channels, self.dropout = channels, nn.Dropout(dropout)

    def forward(self, features: Tensor) -> Tensor:
        return self.dropout(features.mean(dim=(2, 3)))


def has_top(body: Body) -> bool:
    """Whether the trunk has an fc6 and fc7 of its own behind the stage that is read."""
    return isinstance(body.trunk.network, AlexNet) and body.stage == "conv5"


def alexnet_top(body: Body, layout: Layout, dropout: float) -> AlexNetTop:
    return AlexNetTop(cast(AlexNet, body.trunk.network), layout, dropout)


def answer_layer(inputs: int, outputs: int, spread: float = 0.01, bias: float = 0.0) -> nn.Linear:
    """The last layer, new: Gaussian weights."""
    layer = nn.Linear(inputs, outputs)
    with torch.no_grad():
        layer.weight.normal_(0, spread)
        layer.bias.fill_(bias)
    return layer

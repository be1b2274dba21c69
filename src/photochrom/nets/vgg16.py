"""The convolutions of VGG-16 (Simonyan and Zisserman 2015) on lightness, with every layer's features to take.

Hypercolumns are made of them: in Larsson et al. 2016 and in Dahl 2016, which the paper compares itself with.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..errors import ModelError

# Name, channels, stride in pixels of the input. A 2x2 maximum stands ahead of every doubling of the stride.
LAYERS = (
    ("conv1_1", 64, 1), ("conv1_2", 64, 1),
    ("conv2_1", 128, 2), ("conv2_2", 128, 2),
    ("conv3_1", 256, 4), ("conv3_2", 256, 4), ("conv3_3", 256, 4),
    ("conv4_1", 512, 8), ("conv4_2", 512, 8), ("conv4_3", 512, 8),
    ("conv5_1", 512, 16), ("conv5_2", 512, 16), ("conv5_3", 512, 16),
    ("conv6", 1024, 16), ("conv7", 1024, 16),
)  # fmt: skip
NAMES = tuple(name for name, _, _ in LAYERS)
PUBLISHED = dict(zip(NAMES, (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28), strict=False))
"""Layer -> N of torchvision's key features.N.weight. conv6 and conv7 are not there."""

RGB_MEAN, RGB_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of the published weights' input, R, G, B in 0..1
MEAN, STD = 0.449, 0.226  # of ours, lightness / 100: their averages
EXPECTED = "expected the state dict of torchvision's vgg16 (the one without batch norm), as .pth or .safetensors"


def scaled(channels: int, width: float) -> int:
    """Channels at a width factor. Raises ValueError for a width that could leave a layer without any."""
    if not width >= 1 / 64:
        raise ValueError(f"width is {width}; expected at least 1/64")
    return max(1, round(channels * width))


class VGG16Trunk(nn.Module):
    """Lightness [N, 1, H, W] (0..100, multiples of 16) to the features of all layers up to `last`, after their ReLU:
    a list of [N, channels[i], H / strides[i], W / strides[i]].

    conv1_1 ... conv5_3 are VGG-16's. conv6 and conv7 stand for its fully connected layers in the way of DeepLab (Chen
    et al. 2015): a dilated 3x3 and a 1x1 convolution of 1024 channels, with no stride after conv5_3.
    width: factor on all channels; 1 is VGG-16's. Raises ValueError for a width without channels and an unknown `last`.
    """

    def __init__(self, width: float = 1.0, last: str = "conv5_3") -> None:
        super().__init__()
        if last not in NAMES:
            raise ValueError(f"last is {last!r}; expected one of: {', '.join(NAMES)}")
        layers = LAYERS[: NAMES.index(last) + 1]
        self.names = [name for name, _, _ in layers]
        self.channels = [scaled(channels, width) for _, channels, _ in layers]
        self.strides = [stride for _, _, stride in layers]
        inputs = 1
        for name, outputs in zip(self.names, self.channels, strict=True):
            kernel = 1 if name == "conv7" else 3
            # VGG's next layer would see every second pixel of conv5_3: it still does, without the stride.
            dilation = 2 if name == "conv6" else 1
            self.add_module(name, nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2 * dilation, dilation=dilation))
            inputs = outputs

    def forward(self, lightness: Tensor) -> list[Tensor]:
        # L is close to the grey code in percent.
        x = (lightness / 100 - MEAN) / STD
        features: list[Tensor] = []
        before = 1
        for name, stride in zip(self.names, self.strides, strict=True):
            if stride != before:
                x = functional.max_pool2d(x, 2)
            elif name == "conv6":
                x = functional.max_pool2d(x, 3, stride=1, padding=1)
            x = functional.relu(self.get_submodule(name)(x), inplace=True)
            features.append(x)
            before = stride
        return features

    def load_vgg16(self, state: dict[str, Tensor], file: object) -> list[str]:
        """Take the weights of torchvision's vgg16: its state dict. file: where it came from, for errors.

        The three colours of the first layer are summed, for all three are the lightness here; the normalisation of its
        input goes into its weights and bias (zero padding then differs by a trace at the picture's border). The
        classifier is not used; conv6 and conv7 stay as they are.

        Returns the names of the layers that were filled. Raises ModelError naming the file, what was found and what was
        expected.
        """
        expected = {f"features.{number}.{part}" for number in PUBLISHED.values() for part in ("weight", "bias")}
        found = {key for key in state if not key.startswith("classifier.")}
        if found != expected:
            missing, unknown = sorted(expected - found), sorted(found - expected)
            differences = [
                f"{label} {', '.join(keys[:3])}" for label, keys in (("no", missing), ("also", unknown)) if keys
            ]
            raise ModelError(f"{file}: has {'; '.join(differences)}; {EXPECTED}")
        filled = [name for name in self.names if name in PUBLISHED]
        new = {}
        for name in filled:
            weight, bias = (state[f"features.{PUBLISHED[name]}.{part}"] for part in ("weight", "bias"))
            shape = list(self.get_parameter(f"{name}.weight").shape)
            if name == "conv1_1":
                shape[1] = 3
            for part, value, wanted in (("weight", weight, shape), ("bias", bias, shape[:1])):
                key = f"features.{PUBLISHED[name]}.{part}"
                if list(value.shape) != wanted or not value.is_floating_point():
                    raise ModelError(
                        f"{file}: {key} is {value.dtype} {list(value.shape)}; expected floating point {wanted} "
                        "(VGG-16's weights need network.width = 1)"
                    )
                if not value.isfinite().all():
                    raise ModelError(f"{file}: {key} holds values that are not finite; expected trained weights")
            weight, bias = weight.double(), bias.double()
            if name == "conv1_1":
                weight, bias = _for_lightness(weight, bias)
            new[f"{name}.weight"], new[f"{name}.bias"] = weight, bias
        self.load_state_dict(new, strict=False)  # all at once: a bad file leaves the network as it was
        return filled


def _for_lightness(weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """The first layer, [64, 3, 3, 3] on normalised RGB, as [64, 1, 3, 3] on (lightness / 100 - MEAN) / STD."""
    mean, std = (torch.tensor(values, dtype=torch.float64)[:, None, None] for values in (RGB_MEAN, RGB_STD))
    # A grey g is (g - mean_c) / std_c in colour c, and g = MEAN + STD * (our input).
    return (weight * STD / std).sum(1, keepdim=True), bias + (weight * (MEAN - mean) / std).sum((1, 2, 3))

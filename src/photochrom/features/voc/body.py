"""The trunk as a part of a larger network: photographs in, features of a stage out; in grey or in colour."""

from __future__ import annotations

import copy
from typing import cast

import torch
from torch import Tensor, nn

from ...errors import ModelError, SettingError
from ...training.lab_torch import rgb_to_lab
from ..trunk import Trunk

# What the authors multiply a and b with ahead of the first layer when they fine-tune; lightness has 1.
AB_SCALE = 0.693


class ColourConv(nn.Module):
    """The first convolution of a trunk, beside one for a and b that starts at 0: at first the sum is what it was.

    chroma: what the second one takes, [N, 2, H, W] at the place and scale of the lightness; set before each forward.
    """

    def __init__(self, lightness: nn.Conv2d) -> None:
        super().__init__()
        self.lightness = lightness
        self.ab = copy.deepcopy(lightness)  # its padding and stride, whatever class it is
        self.ab.in_channels, self.ab.bias = 2, None
        shape = (lightness.out_channels, 2, *lightness.kernel_size)
        self.ab.weight = nn.Parameter(torch.zeros(shape, dtype=lightness.weight.dtype, device=lightness.weight.device))
        self.chroma: Tensor | None = None

    def forward(self, lightness: Tensor) -> Tensor:
        if self.chroma is None:
            raise RuntimeError("the colours are not set; call the body, not its trunk")
        seen: Tensor = self.lightness(lightness) + self.ab(self.chroma)
        return seen


class Body(nn.Module):
    """sRGB codes uint8 [N, 3, H, W] (H and W multiples of 32) to {stage: features [N, C, H/s, W/s]}.

    colour: the trunk sees a and b too, by weights that start at 0 (section 3.2); a trunk that takes colour by itself
    keeps its own. stage: the one that is read, by default default_stage.
    """

    def __init__(self, trunk: Trunk, colour: bool = False, stage: str | None = None) -> None:
        super().__init__()
        self.trunk = trunk
        self.stage = stage or default_stage(trunk)
        self._wide: list[ColourConv] = []  # a list: the trunk holds it already, and each tensor is to be saved once
        if colour and not trunk.takes_colour:
            self._slope = _slope(trunk)
            self._wide.append(_widen(trunk))

    def forward(self, codes: Tensor) -> dict[str, Tensor]:
        if not self._wide:
            return cast(dict[str, Tensor], self.trunk(self.trunk.prepare(codes)))
        lab = rgb_to_lab(codes)
        self._wide[0].chroma = lab[:, 1:] * (AB_SCALE * self._slope)
        features = self.trunk(lab[:, :1])
        self._wide[0].chroma = None  # a copy of the module has no need of it
        return cast(dict[str, Tensor], features)


def default_stage(trunk: Trunk, coarsest: int | None = None) -> str:
    """The deepest stage before the network goes back to a finer stride, if it does: conv5 of alexnet, conv7 of eccv16.
    coarsest: and with a stride of at most so many pixels."""
    chosen = trunk.stages[0]
    for stage in trunk.stages[1:]:
        if trunk.strides[stage] < trunk.strides[chosen] or (coarsest and trunk.strides[stage] > coarsest):
            break
        chosen = stage
    return chosen


def check_stage(trunk: Trunk, stage: str) -> str:
    """`stage`, if the trunk has it. Raises SettingError."""
    if stage not in trunk.stages:
        raise SettingError(f"the stage is {stage!r}; {trunk.name} has: {', '.join(trunk.stages)}")
    return stage


def _first_conv(trunk: Trunk) -> str:
    """The name of the layer that takes the lightness."""
    for name, module in trunk.network.named_modules():
        if isinstance(module, nn.Conv2d) and module.in_channels == 1:
            return name
    raise ModelError(f"{trunk.name}: has no convolution of one channel; expected a network that takes lightness")


def _widen(trunk: Trunk) -> ColourConv:
    parent, _, own = _first_conv(trunk).rpartition(".")
    owner = trunk.network.get_submodule(parent)
    wide = ColourConv(cast(nn.Conv2d, getattr(owner, own)))
    setattr(owner, own, wide)
    return wide


@torch.no_grad()
def _slope(trunk: Trunk) -> float:
    """What the trunk multiplies the lightness with ahead of its first layer: a and b shall come at that scale."""
    seen: list[float] = []
    conv = trunk.network.get_submodule(_first_conv(trunk))
    handle = conv.register_forward_pre_hook(lambda module, args: seen.append(float(args[0].mean())))
    like = next(trunk.parameters())
    mode = trunk.training
    try:
        for value in (0.0, 100.0):
            trunk.eval()(torch.full((1, 1, 64, 64), value, device=like.device, dtype=like.dtype))
    finally:
        handle.remove()
        trunk.train(mode)
    return (seen[1] - seen[0]) / 100

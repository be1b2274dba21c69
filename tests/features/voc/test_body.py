"""The trunk in a larger network: which stage is read, and colour by weights that start at 0."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from photochrom.errors import SettingError
from photochrom.features.trunk import Trunk
from photochrom.features.voc.body import AB_SCALE, Body, ColourConv, check_stage, default_stage
from photochrom.nets.alexnet import AlexNet
from photochrom.nets.eccv16 import ECCV16
from photochrom.nets.lite import Lite
from photochrom.training.lab_torch import rgb_to_lab

pytestmark = pytest.mark.usefixtures("one_thread")


def codes(size=64, number=2):
    return torch.randint(0, 256, (number, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def trunk_of(kind):
    torch.manual_seed(0)
    networks = {"alexnet": lambda: AlexNet(1 / 16), "eccv16": lambda: ECCV16(1 / 16), "lite": Lite}
    return Trunk(networks[kind](), kind, 64).eval()


@pytest.mark.parametrize(
    ("kind", "deepest", "at_16"),
    [("alexnet", "conv5", "conv5"), ("eccv16", "conv7", "conv7"), ("lite", "stage7", "stage5")],
)
def test_the_stage_that_is_read(kind, deepest, at_16):
    trunk = trunk_of(kind)
    assert default_stage(trunk) == Body(trunk).stage == deepest
    assert default_stage(trunk, 16) == at_16
    assert trunk.strides[at_16] <= 16


def test_an_unknown_stage_says_which_there_are():
    trunk = trunk_of("eccv16")
    assert check_stage(trunk, "conv3") == "conv3"
    with pytest.raises(SettingError, match=r"'fc6'; eccv16 has: conv1, .*conv8"):
        check_stage(trunk, "fc6")


@torch.no_grad()
@pytest.mark.parametrize("kind", ["alexnet", "eccv16", "lite"])
def test_colour_changes_nothing_at_first(kind):
    grey, colour = Body(trunk_of(kind)), Body(trunk_of(kind), colour=True)
    found, wanted = colour(codes()), grey(codes())
    assert all(torch.equal(found[stage], wanted[stage]) for stage in wanted)
    wide = [module for module in colour.modules() if isinstance(module, ColourConv)]
    assert len(wide) == 1
    assert wide[0].ab.weight.shape[1] == 2
    assert (wide[0].ab.weight == 0).all()
    assert wide[0].ab.bias is None


@torch.no_grad()
@pytest.mark.parametrize("kind", ["alexnet", "eccv16", "lite"])
def test_colour_comes_in_at_its_place_and_at_the_scale_of_lightness(kind):
    """With the weights of lightness for a, adding d to the lightness is adding d / AB_SCALE to a."""
    body = Body(trunk_of(kind), colour=True)
    wide = next(module for module in body.modules() if isinstance(module, ColourConv))
    wide.ab.weight[:, :1] = wide.lightness.weight
    lab = rgb_to_lab(codes())
    stage = body.trunk.stages[0]
    wide.chroma = lab[:, 1:] * (AB_SCALE * body._slope)
    found = body.trunk(lab[:, :1])[stage]
    wide.chroma = torch.zeros_like(lab[:, 1:])
    wanted = body.trunk(lab[:, :1] + AB_SCALE * lab[:, 1:2])[stage]
    # Not exact at the edges of a network whose zero padding follows a subtraction: none of these pads before it.
    assert torch.allclose(found, wanted, atol=1e-4)


def test_the_new_weights_learn():
    body = Body(trunk_of("eccv16"), colour=True)
    body(codes())["conv2"].square().sum().backward()
    wide = next(module for module in body.modules() if isinstance(module, ColourConv))
    assert wide.ab.weight.grad.abs().sum() > 0
    assert wide.lightness.weight.grad.abs().sum() > 0


def test_a_trunk_that_takes_colour_keeps_its_own():
    class Colour(nn.Module):
        takes_colour, stages, strides = True, ("a",), {"a": 1}

        def prepare(self, rgb):
            return rgb.float()

        def forward(self, x):
            return {"a": x}

    found = Body(Colour(), colour=True)(codes())
    assert torch.equal(found["a"], codes().float())


def test_the_trunk_alone_is_refused_when_colours_are_due():
    body = Body(trunk_of("eccv16"), colour=True)
    with pytest.raises(RuntimeError, match="call the body"):
        body.trunk(torch.zeros(1, 1, 64, 64))

"""fc6 and fc7 laid over features, against the dense network that they come from and against plain linear layers."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from photochrom.features.trunk import Trunk
from photochrom.features.voc.body import Body
from photochrom.features.voc.tops import GRID, MeanTop, NewTop, alexnet_top, has_top
from photochrom.nets.alexnet import AlexNet
from photochrom.nets.eccv16 import ECCV16

pytestmark = pytest.mark.usefixtures("one_thread")
WINDOW = 21  # cells: 6 taps, 4 apart


def alexnet(batch_norm=False):
    torch.manual_seed(0)
    return AlexNet(1 / 16, batch_norm=batch_norm).eval()


def dense_fc7(network, conv5):
    """fc7 at every cell, as the network computes it when it colours."""
    return network.fc7(network.fc6(network.pool5(conv5)))


def conv5_of(network, size):
    random = torch.Generator().manual_seed(1)
    return torch.rand(2, network.conv5[0].out_channels, size, size, generator=random)


@torch.no_grad()
@pytest.mark.parametrize("batch_norm", [False, True])
def test_whole_is_the_mean_over_the_places_where_the_window_fits(batch_norm):
    network = alexnet(batch_norm)
    features = conv5_of(network, 30)
    dense = dense_fc7(network, features)
    # A window is centred between two cells; with the network's padding of 10, that which begins at cell c gives c + 10.
    inner = dense[:, :, 10 : 10 + 30 - WINDOW + 1 : 4, 10 : 10 + 30 - WINDOW + 1 : 4]
    assert inner.shape[2] == 3
    top = alexnet_top(Body(Trunk(network, "alexnet", 192)), "whole", 0.5).eval()
    assert torch.allclose(top(features), inner.mean((2, 3)), atol=1e-5)


@torch.no_grad()
def test_whole_puts_a_small_photograph_in_the_middle_of_the_window():
    network = alexnet()
    features = conv5_of(network, 9)  # 72 pixels
    wanted = dense_fc7(network, functional.pad(features, (6, 6, 6, 6)))[:, :, 10:11, 10:11]  # 21 cells: one window
    # pool5 is applied before the padding here; zeros around what is never negative change no maximum inside.
    top = alexnet_top(Body(Trunk(network, "alexnet", 64)), "whole", 0.5).eval()
    found = top(features)
    assert found.shape == (2, top.channels)
    ringless = functional.pad(network.pool5(features), (6, 6, 6, 6))
    wanted = top.fc7(functional.relu(functional.conv2d(ringless, top.fc6[0].weight, top.fc6[0].bias, dilation=4)))
    assert torch.allclose(found, wanted.flatten(1), atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("size", [24, 28])
def test_dense_is_every_fourth_cell_of_the_network(size):
    network = alexnet()
    features = conv5_of(network, size)
    dense = dense_fc7(network, features)
    top = alexnet_top(Body(Trunk(network, "alexnet", 192)), "dense", 0.5).eval()
    found = top(features)
    assert found.shape == (2, top.channels, size // 4, size // 4)
    # The result for cells 4 i .. 4 i + 3 is that of cell 4 i + 1: half a cell from their middle.
    assert torch.allclose(found, dense[:, :, 1::4, 1::4], atol=1e-5)


@torch.no_grad()
def test_boxes_are_seen_as_by_linear_layers():
    network = alexnet()
    top = alexnet_top(Body(Trunk(network, "alexnet", 192)), "boxes", 0.5).eval()
    boxes = conv5_of(network, GRID)
    wanted = functional.relu(functional.linear(boxes.flatten(1), top.fc6[0].weight.flatten(1), top.fc6[0].bias))
    wanted = functional.relu(functional.linear(wanted, top.fc7[0].weight.flatten(1), top.fc7[0].bias))
    assert torch.allclose(top(boxes), wanted, atol=1e-5)


def test_every_tensor_has_one_name():
    """.safetensors refuses tensors that share memory."""
    network = alexnet()
    body = Body(Trunk(network, "alexnet", 192))
    assert has_top(body)
    names = {id(p) for p in body.parameters()}
    top = alexnet_top(body, "whole", 0.5)
    assert not {id(p) for p in body.parameters()} & {id(p) for p in top.parameters()}
    assert {id(p) for p in top.parameters()} < names


def test_dropout_is_behind_both_layers():
    network = alexnet()
    top = alexnet_top(Body(Trunk(network, "alexnet", 192)), "boxes", 0.5).train()
    boxes = conv5_of(network, GRID)
    torch.manual_seed(0)
    assert (top(boxes) == 0).float().mean() > 0.4
    top.eval()
    assert torch.equal(top(boxes), top(boxes))


def test_other_trunks_have_none():
    assert not has_top(Body(Trunk(ECCV16(1 / 16), "eccv16", 64)))
    assert not has_top(Body(Trunk(alexnet(), "alexnet", 64), stage="conv3"))


def test_new_layers():
    features = torch.rand(3, 5, 12, 18)
    top = NewTop(5, 7, 0.0)
    assert top(features).shape == (3, 7)
    pooled = features.view(3, 5, 6, 2, 6, 3).amax((3, 5))
    assert torch.equal(top(features), top(pooled))
    assert torch.allclose(MeanTop(5, 0.0)(features), features.flatten(2).mean(2))

"""Pooled features: the paper's sizes, means of cells, and no gradient into the trunk."""

import numpy as np
import pytest
import torch
from skimage import data

from photochrom.features.pooling import NUMBERS, PooledTrunk, pooled_side
from photochrom.features.trunk import untrained_trunk
from photochrom.training.recipe import Network

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def trunk():
    return untrained_trunk(Network(name="alexnet", width=0.125), "gaussian")


@pytest.fixture
def rgb():
    return torch.from_numpy(data.astronaut()[:128, 180:308].copy()).permute(2, 0, 1)[None]


def test_alexnets_sides_are_the_papers():
    assert [pooled_side(channels) for channels in (96, 256, 384, 384, 256)] == [10, 6, 5, 5, 6]


@pytest.mark.parametrize("channels", [1, 7, 16, 24, 64, 512, 2048, 9600])
def test_any_other_gets_the_side_that_comes_nearest(channels):
    side = pooled_side(channels)
    distances = [abs(channels * s * s - NUMBERS) for s in range(1, 120)]
    # Nearest among the sides; rounding the root may differ from it only where both are about as far.
    assert distances[side - 1] <= 1.05 * min(distances) + 1


def test_each_value_is_the_mean_of_its_cell(trunk, rgb):
    pooled = PooledTrunk(trunk, 128)
    found = pooled(rgb)
    features = trunk(trunk.prepare(rgb))
    assert list(found) == list(trunk.stages)
    for stage, x in features.items():
        side, whole = pooled.sides[stage], x.shape[-1]
        assert found[stage].shape[1:] == pooled.shapes[stage] and side <= whole
        rows = [(i * whole // side, -(-(i + 1) * whole // side)) for i in range(side)]
        expected = np.array(
            [[x[0, :, a:b, c:d].mean((1, 2)).numpy() for c, d in rows] for a, b in rows]
        ).transpose(2, 0, 1)  # fmt: skip
        assert np.allclose(found[stage][0].numpy(), expected, rtol=1e-4, atol=1e-4 * float(x.std()))


def test_small_photographs_are_not_pooled_up(trunk):
    assert PooledTrunk(trunk, 32).sides == {"conv1": 8, "conv2": 4, "conv3": 4, "conv4": 4, "conv5": 4}
    assert PooledTrunk(trunk, 128, numbers=12).sides["conv1"] == 1


def test_calibrated_features_have_one_scale(trunk, rgb):
    pooled = PooledTrunk(trunk, 128)
    before = pooled(rgb)
    pooled.calibrate(rgb)
    for stage, x in pooled(rgb).items():
        assert float(x.std()) == pytest.approx(1, abs=1e-5)
        assert torch.allclose(x / float(x.std()), before[stage] / float(before[stage].std()), atol=1e-4)
    pooled.calibrate(rgb)  # again: from scratch, not on top
    assert float(pooled(rgb)["conv5"].std()) == pytest.approx(1, abs=1e-5)
    pooled.calibrate(torch.zeros_like(rgb) + 128)
    assert all(np.isfinite(scale) and scale > 0 for scale in pooled.scales.values())


def test_the_trunk_is_frozen(trunk, rgb):
    trunk.train()
    pooled = PooledTrunk(trunk, 128)
    statistics = trunk.network.conv1[1].running_mean.clone()
    assert not any(x.requires_grad for x in pooled(rgb).values())
    assert torch.equal(trunk.network.conv1[1].running_mean, statistics)

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import skimage.data
import torch

from photochrom.training.crops.shown import Streams, shown
from photochrom.training.lab_torch import rgb_to_lab
from photochrom.training.recipe import Data

COUNT = 64


def streams(crops: Sequence[int]) -> Streams:
    return lambda purpose: [np.random.default_rng((0, purpose, crop)) for crop in crops]


@pytest.fixture(scope="module")
def cat() -> torch.Tensor:
    """uint8 [COUNT, 3, 64, 64] of the same crop."""
    crop = torch.from_numpy(skimage.data.chelsea()[60:124, 180:244].copy()).permute(2, 0, 1)
    return crop.expand(COUNT, 3, 64, 64)


@pytest.fixture(scope="module")
def lightness(cat: torch.Tensor) -> torch.Tensor:
    return rgb_to_lab(cat)[:, :1]


def test_by_default_crops_are_shown_as_they_are(cat: torch.Tensor, lightness: torch.Tensor) -> None:
    torch.testing.assert_close(shown(cat, lightness, Data(), streams(range(COUNT))), lightness, atol=0, rtol=0)


def test_bending_leaves_black_and_white_and_goes_both_ways(cat: torch.Tensor) -> None:
    ramp = torch.linspace(0, 100, 64).expand(COUNT, 1, 64, 64)
    bent = shown(cat, ramp, Data(gamma=0.3), streams(range(COUNT)))
    torch.testing.assert_close(bent[..., 0], ramp[..., 0])
    torch.testing.assert_close(bent[..., -1], ramp[..., -1])
    power = torch.log(bent[:, 0, 0, 32] / 100) / torch.log(ramp[:, 0, 0, 32] / 100)
    assert np.exp(-0.3) - 1e-4 <= power.min() < 0.9
    assert 1.1 < power.max() <= np.exp(0.3) + 1e-4


def test_a_share_of_the_crops_is_aged(cat: torch.Tensor, lightness: torch.Tensor) -> None:
    found = shown(cat, lightness, Data(aged=0.5), streams(range(COUNT)))
    old = (found != lightness).flatten(1).any(1)
    assert 20 <= int(old.sum()) <= 44


@pytest.mark.parametrize("data", [Data(gamma=0.15), Data(aged=0.5), Data(sharpness=1.0, noise=3.0)])
def test_what_a_crop_becomes_depends_on_its_generators_alone(
    cat: torch.Tensor, lightness: torch.Tensor, data: Data
) -> None:
    together = shown(cat, lightness, data, streams(range(COUNT)))
    some = [5, 3, 40, 41]
    alone = shown(cat[:4], lightness[:4], data, streams(some))
    torch.testing.assert_close(alone, together[some], atol=5e-3, rtol=0)  # blurs end where the batch's widest does
    assert not torch.allclose(together, lightness, atol=0.1)


def test_one_more_change_does_not_change_the_others(cat: torch.Tensor, lightness: torch.Tensor) -> None:
    every = streams(range(COUNT))
    bent = shown(cat, lightness, Data(gamma=0.15), every)
    both = shown(cat, lightness, Data(gamma=0.15, aged=0.5), every)
    new = (both == bent).flatten(1).all(1)
    assert 20 <= int(new.sum()) <= 44

"""Faded photographs are stretched, others left alone."""

import numpy as np
import pytest
import skimage.color
import skimage.data
from hypothesis import given
from hypothesis import strategies as st

from photochrom.contrast import MOST, MOST_LEVELS, levels_of, widened


def lightness_of(name):
    return skimage.color.rgb2lab(getattr(skimage.data, name)()[::4, ::4])[..., 0].astype(np.float32)


def spread(lightness):
    low, high = np.percentile(lightness, (1, 99))
    return high - low


def test_a_photograph_of_full_contrast_is_left_alone():
    lightness = lightness_of("astronaut")
    assert spread(lightness) > 80
    assert widened(lightness, 80) is lightness


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea"])
@pytest.mark.parametrize(("black", "white"), [(30, 70), (60, 95), (5, 40)])
def test_a_faded_photograph_gets_its_contrast_back(name, black, white):
    whole = lightness_of(name)
    faded = (black + whole * (white - black) / 100).astype(np.float32)
    result = widened(faded, 80)
    assert spread(result) == pytest.approx(min(80, MOST * spread(faded)), abs=1)
    assert np.corrcoef(result.ravel(), whole.ravel())[0, 1] > 0.99  # the same picture
    assert result.dtype == np.float32 and result.min() >= 0 and result.max() <= 100


def test_a_single_shade_stays():
    page = np.full((8, 8), 96, np.float32)
    assert widened(page, 80) is page


@given(st.floats(0, 100), st.floats(0, 100), st.floats(0, 100), st.integers(0, 2**32 - 1))
def test_keeps_the_order_of_the_shades_and_the_range_of_L(one, other, least, seed):
    lightness = np.random.default_rng(seed).uniform(min(one, other), max(one, other), (9, 7)).astype(np.float32)
    result = widened(lightness, least)
    assert result.shape == (9, 7) and result.min() >= 0 and result.max() <= 100
    order = np.argsort(lightness, axis=None)
    assert (np.diff(result.ravel()[order]) >= -1e-4).all()


@pytest.mark.parametrize("factor", [1, 0.5, 0.2])
def test_levels_are_the_darkest_and_the_lightest(factor):
    lightness = 20 + factor * lightness_of("astronaut") * 0.7
    low, high = levels_of(lightness)
    assert np.mean(lightness < low) < 0.002 and np.mean(lightness > high) < 0.002
    assert high - low == pytest.approx(np.ptp(lightness), rel=0.1)


def test_levels_need_something_to_stretch():
    assert levels_of(np.full((8, 8), 40, np.float32)) is None
    assert levels_of(np.linspace(0, 100, 1001, dtype=np.float32)) is None


@pytest.mark.parametrize("middle", [3, 50, 97])
def test_levels_of_almost_nothing_stay_moderate(middle):
    low, high = levels_of(np.random.default_rng(0).normal(middle, 0.5, 10_000).clip(0, 100))
    assert 0 <= low < high <= 100 and high - low == pytest.approx(100 / MOST_LEVELS)

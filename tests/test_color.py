"""Lab against scikit-image on a million colours; the gamut gives up chroma, not lightness."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage import color as reference
from skimage import data

from photochrom import color


@pytest.fixture(scope="module")
def million():
    return np.random.default_rng(0).integers(0, 256, (1_000_000, 3)) / 255


def test_lab_is_scikit_images(million):
    assert np.abs(color.rgb_to_lab(million) - reference.rgb2lab(million)).max() < 0.05
    assert np.abs(color.rgb_to_lab(million.astype(np.float32)) - reference.rgb2lab(million)).max() < 0.05


def test_lab_and_back_is_the_identity_on_8_bit_codes(million):
    back = color.lab_to_rgb(color.rgb_to_lab(million))
    assert (np.round(back * 255) == np.round(million * 255)).all()


def test_colours_inside_srgb_equal_scikit_images_way_back():
    lab = reference.rgb2lab(data.chelsea()[::4, ::4])
    np.testing.assert_allclose(color.lab_to_rgb(lab), reference.lab2rgb(lab), atol=2e-3)


def test_greys_stay_grey():
    grey = np.repeat(np.arange(256)[:, None] / 255, 3, axis=1)
    lab = color.rgb_to_lab(grey)
    assert np.abs(lab[:, 1:]).max() < 0.01
    lab[:, 1:] = 0
    assert (np.round(color.lab_to_rgb(lab) * 255) == np.round(grey * 255)).all()


@given(st.floats(0, 100), st.floats(-128, 128), st.floats(-128, 128))
def test_any_lab_becomes_a_colour_of_the_same_lightness(lightness, a, b):
    lab = np.array([lightness, a, b])
    linear = color.keep_in_gamut(color.lab_to_linear(lab))
    assert (linear >= 0).all() and (linear <= 1).all()
    kept = color.luminance_to_lightness(linear @ color.RGB_TO_XYZ[1])
    assert abs(kept - lightness) < 1e-6


@given(st.floats(0, 1))
def test_gamma_and_back(value):
    np.testing.assert_allclose(color.linear_to_srgb(color.srgb_to_linear(np.array(value))), value, atol=1e-6)

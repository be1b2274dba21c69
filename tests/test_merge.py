"""The merge: lightness exact, colours in gamut, no shift between colour and photograph."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.color
import skimage.transform
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.datasets import load_sample_image

from photochrom import color
from photochrom.merge import AbMap, PageMerger, lightness_of

STRIDE = 4


def merged(pixels: NDArray, ab: NDArray, cells: tuple[float, float] | None = None, saturation: float = 1) -> NDArray:
    """All of a page at once; pixels [H, W, bands]."""
    colours = AbMap(ab.astype(np.float32), cells or ab.shape[1:])
    height, width = pixels.shape[:2]
    return PageMerger(colours, height, width, 8 * pixels.dtype.itemsize, saturation).merge(0, pixels)


def reference(lightness: NDArray, ab: NDArray) -> NDArray:
    """sRGB floats of L [H, W] and ab [2, H, W], by color.py's cube roots and powers."""
    return color.lab_to_rgb(np.dstack([lightness, ab[0], ab[1]]))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize("strength", [8, 30, 120])
def test_agrees_with_lab_at_every_lightness(dtype: type, bands: int, strength: float) -> None:
    """One colour per cell: the merge against the textbook way, where Lab is made of cubes."""
    top = np.iinfo(dtype).max
    rng = np.random.default_rng(strength)
    codes = rng.integers(int(0.12 * top), top + 1, (64, 64, bands)).astype(dtype)
    ab = rng.normal(0, strength, (2, 1, 1)).clip(-110, 110)
    out = merged(codes, ab, (1, 1))
    lightness = color.rgb_to_lab(np.repeat(codes, 3 // bands, 2) / top)[..., 0]
    fy = (lightness + 16) / 116
    cubic = np.minimum(fy, np.minimum(fy + ab[0] / 500, fy - ab[1] / 200)) > color.DELTA
    assert cubic.sum() > 100
    expected = reference(lightness, np.broadcast_to(ab, (2, 64, 64)))
    assert np.abs(out - expected * top)[cubic].max() < (0.75 if dtype == np.uint8 else 16)


@pytest.mark.parametrize("strength", [0, 20, 100])
@pytest.mark.parametrize("bands", [1, 3])
def test_lightness_is_kept_within_rounding(strength: float, bands: int, astronaut: NDArray) -> None:
    """By scikit-image's Lab, for plausible and for impossible colours."""
    pixels = astronaut if bands == 3 else astronaut[:, :, :1]
    ab = np.random.default_rng(0).normal(0, strength, (2, 64, 64)).clip(-110, 110)
    out = merged(pixels, ab)
    before = skimage.color.rgb2lab(np.repeat(pixels, 3 // bands, 2))[..., 0]
    assert np.abs(skimage.color.rgb2lab(out)[..., 0] - before).max() < 0.5


def test_colours_stay_in_gamut_by_giving_up_chroma_only() -> None:
    """A colour far outside sRGB keeps its lightness and its direction from grey in linear light."""
    grey = np.full((1, 256, 1), 0, np.uint16)
    grey[0, :, 0] = np.linspace(2000, 65000, 256)
    out = merged(grey, np.array([[[100.0]], [[-100.0]]]))
    linear = color.srgb_to_linear(out / 65535)
    y = linear @ color.RGB_TO_XYZ[1]
    assert np.abs(y - color.srgb_to_linear(grey[..., 0] / 65535)).max() < 2e-5
    assert ((out == 0) | (out == 65535)).any(-1).mean() > 0.9  # as colourful as sRGB allows
    lab = np.dstack([skimage.color.rgb2lab(np.repeat(grey, 3, 2))[..., :1], np.full((1, 256, 1), 100.0)])
    lab = np.dstack([lab, np.full((1, 256, 1), -100.0)])
    wanted = color.lab_to_linear(lab) - y[..., None]
    got = linear - y[..., None]
    cosine = (wanted * got).sum(-1) / np.linalg.norm(wanted, axis=-1) / np.linalg.norm(got, axis=-1)
    assert cosine.min() > 0.999


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_every_grey_code_is_untouched_without_colour(dtype: type, bands: int) -> None:
    codes = np.arange(np.iinfo(dtype).max + 1).astype(dtype).reshape(16, -1)
    pixels = np.repeat(codes[:, :, None], bands, 2)
    for ab, saturation in ((np.zeros((2, 4, 4)), 1), (np.full((2, 4, 4), 50.0), 0)):
        out = merged(pixels, ab, saturation=saturation)
        assert np.array_equal(out, np.repeat(codes[:, :, None], 4 if bands in (2, 4) else 3, 2))


def test_grey_cells_are_untouched_beside_coloured_ones() -> None:
    codes = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1)
    ab = np.zeros((2, 16, 16))
    ab[:, 12:, :] = 40
    out = merged(codes, ab)
    assert np.array_equal(out[:184], np.repeat(codes[:184], 3, 2))
    assert (out[210:] != codes[210:]).any()


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 40), width=st.integers(1, 40), h=st.integers(1, 6), w=st.integers(1, 6),
    bands=st.integers(1, 4), deep=st.booleans(), rows=st.integers(1, 16), seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_strips_are_the_whole_in_pieces(
    height: int, width: int, h: int, w: int, bands: int, deep: bool, rows: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 65536 if deep else 256, (height, width, bands)).astype(np.uint16 if deep else np.uint8)
    colours = AbMap(rng.normal(0, 40, (2, h, w)).astype(np.float32), (h - rng.random(), w - rng.random()))
    merger = PageMerger(colours, height, width, 16 if deep else 8)
    whole = merger.merge(0, pixels)
    strips = [merger.merge(top, pixels[top : top + rows]) for top in range(0, height, rows)]
    assert np.array_equal(np.concatenate(strips), whole)
    if bands in (2, 4):
        assert np.array_equal(whole[:, :, 3], pixels[:, :, -1])


SIZES = {
    "landscape": (427, 640), "portrait": (640, 427), "odd": (301, 449), "smaller than the map": (50, 75),
    "3 x 5000": (3, 5000), "5000 x 3": (5000, 3), "1 x 1": (1, 1),
}  # fmt: skip


@pytest.mark.parametrize("name", SIZES)
def test_alignment_is_that_of_a_half_pixel_centred_bilinear_resize(name: str) -> None:
    """True ab at the network's stride, merged back: the error against the truth is within 1% of scikit-image's."""
    height, width = SIZES[name]
    china = skimage.transform.resize(load_sample_image("china.jpg"), (height, width), anti_aliasing=True)
    lab = skimage.color.rgb2lab(china)
    # Dull enough to stay in sRGB, so that only the way of resizing counts.
    lab[..., 0] = 60
    lab[..., 1:] *= 0.5
    h, w = max(1, round(height / STRIDE)), max(1, round(width / STRIDE))
    small = skimage.transform.resize(lab[..., 1:], (h, w), anti_aliasing=True, preserve_range=True)
    grey = np.round(skimage.color.lab2rgb(np.dstack([lab[..., :1], np.zeros((height, width, 2))])) * 65535)
    out = merged(grey.astype(np.uint16)[..., :1], small.transpose(2, 0, 1))
    ours = skimage.color.rgb2lab(out)[..., 1:]
    theirs = skimage.transform.resize(small, (height, width), order=1, mode="edge", preserve_range=True)
    truth = lab[..., 1:]
    error, reference_error = np.abs(ours - truth).mean(), np.abs(theirs - truth).mean()
    assert error <= 1.01 * reference_error + 0.01
    assert np.abs(ours - theirs).max() < 0.1


@pytest.mark.parametrize(("height", "width"), [(301, 449), (65, 33), (100, 7)])
def test_a_map_larger_than_the_page_is_cropped_not_squeezed(height: int, width: int) -> None:
    """Network sides that are no multiple of the stride cover their last cell in part only."""
    cells = (height / STRIDE, width / STRIDE)
    h, w = int(np.ceil(cells[0])), int(np.ceil(cells[1]))
    rows, columns = np.mgrid[0:h, 0:w]
    ab = np.stack([rows - h / 2, columns - w / 2]) * 0.3  # a ramp: bilinear interpolation reproduces it exactly
    grey = np.full((height, width, 1), 40000, np.uint16)
    found = skimage.color.rgb2lab(merged(grey, ab, cells))[..., 1:]
    y = np.clip((np.arange(height) + 0.5) / STRIDE - 0.5, 0, h - 1)
    x = np.clip((np.arange(width) + 0.5) / STRIDE - 0.5, 0, w - 1)
    assert np.abs(found[..., 0] - ((y - h / 2) * 0.3)[:, None]).max() < 0.05
    assert np.abs(found[..., 1] - ((x - w / 2) * 0.3)[None, :]).max() < 0.05


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_lightness_of_is_scikit_images(dtype: type, astronaut: NDArray) -> None:
    pixels = astronaut.astype(dtype) * (257 if dtype == np.uint16 else 1)
    assert np.abs(lightness_of(pixels) - skimage.color.rgb2lab(astronaut)[..., 0]).max() < 0.01
    grey = skimage.color.rgb2lab(np.repeat(astronaut[:, :, :1], 3, 2))[..., 0]
    assert np.abs(lightness_of(pixels[:, :, :1]) - grey).max() < 0.01


@pytest.mark.parametrize("bits", [8, 16])
def test_black_and_white_stay_where_colour_vanishes(bits):
    """Where a or b is 0 beside colour, black and white have neither colour nor room for it: 0 / 0."""
    top = (1 << bits) - 1
    ab = np.array([[[0, 0, 30, -30]], [[0, 0, 0, 40]]], np.float32)
    pixels = np.tile(np.array([0, top], f"uint{bits}"), (8, 16))[:, :, None]
    merged = PageMerger(AbMap(ab, (1.0, 4.0)), 8, 32, bits).merge(0, pixels)
    assert (merged == pixels).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("bands", [1, 3])
def test_levels_stretch_the_lightness(dtype: type, bands: int, astronaut: NDArray) -> None:
    """Against scikit-image's Lab: L goes from (low, high) to 0..100, is clipped, and colours come on top of that."""
    top = np.iinfo(dtype).max
    pixels = (astronaut[:, :, :bands].astype(np.float64) / 255 * 0.5 * top + 0.2 * top).astype(dtype)
    colours = AbMap(np.full((2, 8, 8), 4, np.float32), (8, 8), levels=(25.0, 70.0))
    out = PageMerger(colours, *pixels.shape[:2], 8 * pixels.dtype.itemsize).merge(0, pixels)
    before = skimage.color.rgb2lab(np.repeat(pixels / top, 3 // bands, 2))[..., 0]
    expected = ((before - 25) * 100 / 45).clip(0, 100)
    after = skimage.color.rgb2lab(out / top)[..., 0]
    assert np.abs(after - expected)[expected > 3].max() < (0.6 if dtype == np.uint8 else 0.1)
    assert after.max() > 95 and after.min() < 5

"""Borders, pages and backdrops stay neutral; photographs without them are left alone."""

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray
from skimage.color import rgb2gray, rgb2lab
from skimage.transform import resize

from photochrom.colorizer import Colorizer, load
from photochrom.merge import AbMap, bilinear
from photochrom.plain_areas import FULL_RANGE, chroma_factor, restrained, without_paper

BROWN = np.array([10, 25], np.float32)
SKY = np.array([-5, -20], np.float32)


@pytest.fixture(scope="module")
def lite() -> Colorizer:
    return load()


@pytest.fixture(scope="module")
def astronaut() -> NDArray[np.uint8]:
    """Grey, uint8 [300, 300]: hardly anything in it is plain."""
    return np.rint(255 * resize(rgb2gray(skimage.data.astronaut()), (300, 300), anti_aliasing=True)).astype(np.uint8)


def constant(colour: NDArray[np.float32], rows: int = 40, columns: int = 40) -> AbMap:
    return AbMap(np.broadcast_to(colour[:, None, None], (2, rows, columns)).copy(), (rows, columns))


def textured(shape: tuple[int, int] = (160, 160), seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(10, 90, shape).astype(np.float32)


def paper(shape: tuple[int, ...], lightness: float = 93) -> NDArray[np.float32]:
    return np.random.default_rng(1).normal(lightness, 0.3, shape).astype(np.float32)


def chroma(picture: NDArray[np.uint8], where: tuple[slice, ...] = (slice(None),)) -> float:
    return float(np.hypot(*np.moveaxis(rgb2lab(picture[where])[..., 1:], -1, 0)).mean())


def test_what_has_no_plain_area_keeps_its_map() -> None:
    colours = constant(BROWN)
    assert restrained(colours, textured()) is colours


@pytest.mark.parametrize("lightness", [10, 30, 55, 75, 93, 99])
def test_a_border_of_any_shade_is_neutral_and_the_picture_is_not(lightness: float) -> None:
    page = paper((160, 200), lightness)
    page[20:-20, 20:-20] = textured((120, 160))
    found = restrained(constant(BROWN, 40, 50), page)
    assert found.cells == (160, 200) and found.ab.shape == (2, 160, 200)
    assert np.hypot(*found.ab[:, :17]).max() == 0
    assert np.hypot(*found.ab[:, 26:-26, 26:-26]).mean() == pytest.approx(np.hypot(*BROWN), rel=0.02)


def test_the_sky_round_a_bird_stays_blue_and_brown_there_does_not() -> None:
    page = paper((160, 160), 70)
    page[60:110, 50:120] = textured((50, 70))
    assert np.hypot(*restrained(constant(SKY), page).ab[:, :50]).mean() > 15
    assert np.hypot(*restrained(constant(BROWN), page).ab[:, :50]).max() == 0


def test_a_sky_above_a_scene_keeps_its_colour_and_a_wall_loses_it() -> None:
    scene = textured()
    scene[:60] = paper((60, 160), 70)
    assert np.hypot(*restrained(constant(SKY), scene).ab[:, :50]).mean() == pytest.approx(np.hypot(*SKY), rel=0.01)
    assert np.hypot(*restrained(constant(BROWN), scene).ab[:, :50]).mean() < 3


@pytest.mark.parametrize("name", ["page", "text"])
def test_printed_pages_are_neutral(name: str, lite: Colorizer) -> None:
    assert chroma(lite.colorize(getattr(skimage.data, name)())) < 1


def test_an_empty_page_is_grey_and_passes_through(lite: Colorizer) -> None:
    page = np.random.default_rng(3).normal(96, 1.5, (240, 360)).astype(np.uint8)
    coloured = lite.colorize(page)
    assert np.abs(coloured.astype(int) - page[..., None]).max() <= 1


@pytest.mark.parametrize("code", [226, 235, 252, 60, 168])
def test_borders_are_neutral_in_the_output(code: int, lite: Colorizer, astronaut: NDArray[np.uint8]) -> None:
    framed = np.pad(astronaut, 30, constant_values=code)
    coloured = lite.colorize(framed)
    assert chroma(coloured, (slice(0, 26),)) < 3
    assert chroma(coloured, (slice(30, -30), slice(30, -30))) > 5


def test_a_faded_print_has_at_most_half_the_chroma_and_with_levels_the_fresh_one_s(
    lite: Colorizer, astronaut: NDArray[np.uint8]
) -> None:
    faded = (100 + astronaut / 4).astype(np.uint8)
    fresh = chroma(lite.colorize(astronaut))
    assert chroma(lite.colorize(faded)) <= fresh / 2
    assert chroma(lite.colorize(faded, levels=True)) == pytest.approx(fresh, rel=0.25)


def test_chroma_follows_the_contrast() -> None:
    even = np.linspace(0, 1, 1001, dtype=np.float32)
    assert chroma_factor(even * 90) == 1
    assert chroma_factor(40 + even * FULL_RANGE / 2) == pytest.approx(0.49, abs=0.01)
    assert chroma_factor(np.full(100, 40, np.float32)) == 0


def test_a_border_does_not_count_as_contrast() -> None:
    page = paper((160, 160))
    page[20:-20, 20:-20] = 30 + textured((120, 120)) / 8
    assert np.percentile(without_paper(page), 90) < 60
    inside = restrained(constant(BROWN), page).ab[:, 30:-30, 30:-30]
    assert np.hypot(*inside).mean() < 0.3 * np.hypot(*BROWN)


def test_bilinear_agrees_with_a_loop() -> None:
    ab = np.random.default_rng(0).normal(size=(2, 5, 7)).astype(np.float32)
    found = bilinear(ab, 23, 31, (4.6, 6.2))
    for y, x in [(0, 0), (11, 17), (22, 30)]:
        row, column = (y + 0.5) * 4.6 / 23 - 0.5, (x + 0.5) * 6.2 / 31 - 0.5
        row, column = min(max(row, 0), 4), min(max(column, 0), 6)
        top, left = min(int(row), 3), min(int(column), 5)
        down, along = row - top, column - left
        square = ab[:, top : top + 2, left : left + 2]
        expected = np.einsum("cij,i,j->c", square, [1 - down, down], [1 - along, along])
        assert np.allclose(found[:, y, x], expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (3, 2), (161, 97)])
def test_any_size_goes(shape: tuple[int, int]) -> None:
    found = restrained(constant(BROWN, 1, 1), paper(shape))
    assert np.isfinite(found.ab).all()

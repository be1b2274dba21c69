from __future__ import annotations

import base64

import numpy as np
import pytest
import pyvips
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio

from photochrom.evaluation.report.thumbnails import SIDE, data_uri, marked, small_png, thumbnail


def decoded(picture: bytes) -> NDArray[np.uint8]:
    return pyvips.Image.new_from_buffer(picture, "").numpy()


def test_thumbnail_is_the_photograph_reduced(cat: NDArray[np.uint8]) -> None:
    picture = thumbnail(cat)
    small = decoded(picture)
    assert small.shape == (round(SIDE * 300 / 451), SIDE, 3) and len(picture) < 12_000
    exact = pyvips.Image.new_from_array(cat).thumbnail_image(SIDE).numpy()
    assert peak_signal_noise_ratio(exact, small) > 28


def test_small_pictures_are_not_enlarged() -> None:
    assert decoded(thumbnail(np.zeros((20, 30, 3), np.uint8))).shape == (20, 30, 3)


@pytest.mark.parametrize("background", [0, 128, 255])
def test_a_mark_shows_on_anything_and_leaves_its_point_alone(background: int) -> None:
    plain = np.full((256, 256, 3), background, np.uint8)
    shown = marked(plain, 100.5, 40.5)
    assert (plain == background).all()
    changed = (shown != plain).any(-1)
    rows, columns = np.nonzero(changed)
    assert (rows.mean(), columns.mean()) == pytest.approx((100, 40), abs=0.5)
    assert not changed[97:104, 37:44].any()  # what is marked stays to be seen
    values = shown[changed].astype(int)
    assert np.ptp(values) > 200 or (background == 128 and values.min() < 30 and values.max() > 220)


def test_small_png_keeps_flat_colours() -> None:
    drawing = np.zeros((50, 60, 3), np.uint8)
    drawing[10:30, 20:40] = (230, 60, 20)
    assert np.array_equal(decoded(small_png(drawing)), drawing)


def test_data_uri() -> None:
    picture = small_png(np.zeros((2, 2, 3), np.uint8))
    kind, _, content = data_uri(picture).partition(";base64,")
    assert kind == "data:image/png" and base64.b64decode(content) == picture
    assert data_uri(thumbnail(np.zeros((2, 2, 3), np.uint8))).startswith("data:image/webp;")
    assert data_uri(b"<?xml version='1.0'?><svg/>").startswith("data:image/svg+xml;")

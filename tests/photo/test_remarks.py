"""Notes on what a photograph looks like: negatives, scans of two shades."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_image

from photochrom.colorizer import Colorizer
from photochrom.photo.remarks import NEGATIVE, TWO_SHADES, Shades, looks_like_negative

MASK = np.array([1, 0.66, 0.42])  # the orange of clear colour negative film
SEPIA = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]])


def negative(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return ((255 - picture) * MASK).astype(np.uint8)


def photographs() -> list[NDArray[np.uint8]]:
    names = ("astronaut", "chelsea", "coffee", "rocket")
    return [*(getattr(skimage.data, name)() for name in names), *map(load_sample_image, ("china.jpg", "flower.jpg"))]


def test_an_orange_negative_is_named_and_a_photograph_and_its_sepia_print_are_not() -> None:
    for picture in photographs():
        grey = np.repeat(picture.mean(2, keepdims=True).astype(np.uint8), 3, 2)
        assert looks_like_negative(negative(grey))
        assert looks_like_negative(negative(grey).astype(np.uint16) * 257)
        for positive in (picture, grey, (picture @ SEPIA.T).clip(0, 255).astype(np.uint8), grey[..., :1]):
            assert not looks_like_negative(positive)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_the_negative_s_note_is_in_the_report(suffix: str, tmp_path: Path, colorizer: Colorizer) -> None:
    Image.fromarray(negative(skimage.data.astronaut())).save(tmp_path / f"film{suffix}")
    assert NEGATIVE in colorizer.colorize_file(tmp_path / f"film{suffix}", tmp_path / "out.png").notes


@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_two_shades_are_named_in_any_mode(mode: str, suffix: str, tmp_path: Path, colorizer: Colorizer) -> None:
    Image.fromarray(skimage.data.page() > 120).convert(mode).save(tmp_path / f"fax{suffix}")
    assert TWO_SHADES in colorizer.colorize_file(tmp_path / f"fax{suffix}", tmp_path / "out.png").notes


def test_three_shades_and_one_are_not_two(tmp_path: Path, colorizer: Colorizer) -> None:
    for values in ([0, 128, 255], [255]):
        picture = np.resize(np.array(values, np.uint8), (40, 60))
        picture[:-1] = values[0]  # the last row is the only one with more
        Image.fromarray(picture).save(tmp_path / "in.png")
        assert colorizer.colorize_file(tmp_path / "in.png", tmp_path / f"{len(values)}.png").notes == ()


def test_transparency_is_no_shade() -> None:
    shades = Shades()
    shades.see(np.array([[[0, 255], [0, 10], [9, 128]]], np.uint8))
    assert shades.remarks() == [TWO_SHADES]

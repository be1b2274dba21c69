"""Masks: palette PNGs as VOC's, and what is none."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from photochrom.errors import DataError
from photochrom.features.voc.label_map import read_mask

from .miniature import NUMBER, VOID, palette


def test_the_indices_of_the_palette(folder):
    mask = read_mask(folder.mask("000001"), 20)
    with Image.open(folder.mask("000001")) as image:
        assert image.mode == "P"
        colours = np.asarray(image.convert("RGB"))
    assert mask.shape == colours.shape[:2]
    assert set(np.unique(mask)) == {0, NUMBER["bird"], VOID}
    assert (colours[mask == NUMBER["bird"]] == (128, 128, 0)).all()  # VOC's colour of a bird
    assert (colours[mask == VOID] == (224, 224, 192)).all()


def test_a_grey_png_is_read_as_numbers(tmp_path):
    values = np.array([[0, 1, 2], [3, 255, 0]], np.uint8)
    Image.fromarray(values).save(tmp_path / "m.png")
    assert (read_mask(tmp_path / "m.png", 3) == values).all()


def test_what_is_no_mask(tmp_path):
    path = tmp_path / "m.png"
    with pytest.raises(DataError, match=r"m\.png: not there"):
        read_mask(path, 20)
    path.write_bytes(b"no png")
    with pytest.raises(DataError, match=r"m\.png: no readable PNG"):
        read_mask(path, 20)
    Image.new("RGB", (4, 4)).save(path)
    with pytest.raises(DataError, match="has the colour mode RGB; expected a palette PNG of 0 to 20 and 255"):
        read_mask(path, 20)
    picture = Image.fromarray(np.full((4, 4), 21, np.uint8)).convert("P")
    picture.putpalette(palette())
    picture.save(path)
    with pytest.raises(DataError, match="has the value 21; expected"):
        read_mask(path, 20)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="no readable PNG"):
        read_mask(path, 21)

"""Photographs that can be read and those that cannot; batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from photochrom.errors import DataError
from photochrom.features.voc.photographs import GREY, read_photograph, stacked, stored_size, to_codes, unreadable
from photochrom.training.lab_torch import rgb_to_lab


def test_pixels_as_they_are_stored(tmp_path, astronaut):
    """Annotations count in these, whatever EXIF says of the camera."""
    image = Image.fromarray(astronaut[:40, :60])
    exif = image.getexif()
    exif[0x0112] = 6  # turned by 90 degrees
    image.save(tmp_path / "a.png", exif=exif)
    found = read_photograph(tmp_path / "a.png")
    assert found.size == stored_size(tmp_path / "a.png") == (60, 40)
    assert (np.asarray(found) == astronaut[:40, :60]).all()


def test_unreadable_ones_are_named(paths, tmp_path):
    whole = paths["000001"].read_bytes()
    cut, text = tmp_path / "cut.jpg", tmp_path / "text.jpg"
    cut.write_bytes(whole[: len(whole) // 2])
    text.write_text("no photograph")
    found = unreadable({"whole": paths["000001"], "cut": cut, "text": text, "gone": tmp_path / "gone.jpg"})
    assert list(found) == ["cut", "text", "gone"]
    assert str(cut) in found["cut"]
    with pytest.raises(DataError, match=r"text\.jpg: unreadable"):
        read_photograph(text)


def test_batches_are_padded_with_the_middle_grey(random):
    photographs = [torch.from_numpy(random.integers(0, 256, (3, *size), np.uint8)) for size in ((40, 33), (64, 10))]
    batch = stacked(photographs)
    assert batch.shape == (2, 3, 64, 64)
    for found, wanted in zip(batch, photographs, strict=True):
        height, width = wanted.shape[1:]
        assert (found[:, :height, :width] == wanted).all()
        rest = found.clone()
        rest[:, :height, :width] = GREY
        assert (rest == GREY).all()
    lightness = rgb_to_lab(torch.full((1, 3, 1, 1), GREY, dtype=torch.uint8))
    assert abs(float(lightness[0, 0]) - 50) < 0.2  # what networks subtract


def test_mirrored(astronaut):
    image = Image.fromarray(astronaut[:8, :12])
    assert (to_codes(image, mirror=True) == to_codes(image).flip(2)).all()

"""Squares in order, and unreadable photographs named once."""

import numpy as np
import pytest
import torch
from PIL import Image

from photochrom.data.sources import find_photos
from photochrom.features.crops import Unreadable, crop_batches


@pytest.fixture
def folder(tmp_path):
    """Ten photographs whose red is their number, 40 x 20 with a green left edge; 3.png is cut short, 4.png a text."""
    for i in range(10):
        pixels = np.zeros((20, 40, 3), np.uint8)
        pixels[:, :5, 1], pixels[..., 0] = 255, i
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    (tmp_path / "3.png").write_bytes((tmp_path / "3.png").read_bytes()[:60])
    (tmp_path / "4.png").write_text("no photograph")
    return tmp_path


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_keep_the_order_and_lack_what_cannot_be_read(folder, workers):
    unreadable = Unreadable()
    rows = np.array([9, 3, 0, 4, 3, 7, 8])
    found = list(crop_batches(find_photos(folder), rows, 8, 2, unreadable, workers))
    assert [crops.rows.tolist() for crops in found] == [[9], [0], [7], [8]]  # of [9, 3], [0, 4], [3, 7], [8]
    for crops in found:
        assert crops.rgb.shape == (1, 3, 8, 8) and crops.rgb.dtype == torch.uint8
        assert crops.rgb[0, 0].unique().tolist() == crops.rows.tolist()
        assert not crops.rgb[:, 1].any()  # the middle 20 x 20 pixels: the edge is outside
    assert set(unreadable.photos) == {"3.png", "4.png"}
    assert str(unreadable) == "2 unreadable (3.png, 4.png)" and str(Unreadable()) == "none"


def test_a_batch_of_which_nothing_can_be_read_is_passed_over(folder):
    unreadable = Unreadable()
    found = list(crop_batches(find_photos(folder), np.array([3, 4, 5]), 8, 2, unreadable))
    assert [crops.rows.tolist() for crops in found] == [[5]]

"""The order of the data: the same for a folder and for tars, a function of (seed, position), split without overlap."""

import numpy as np
import pytest
from PIL import Image

from photochrom.errors import DataError
from photochrom.training.data import (
    CropSettings,
    Positions,
    TrainingPhotos,
    decode,
    find_photos,
    fingerprint,
    random_crop,
)


def test_a_folder_and_tars_hold_the_same_photographs(photo_folder, photo_tars):
    folder = {entry.key.rsplit("/", 1)[-1]: np.asarray(decode(entry)) for entry in find_photos(photo_folder)}
    tars = {entry.key: np.asarray(decode(entry)) for entry in find_photos(photo_tars)}
    assert len(folder) == 40 and folder.keys() == tars.keys()
    assert all((folder[key] == tars[key]).all() for key in folder)


def test_every_epoch_shows_every_photograph_once(photo_tars):
    entries = find_photos(photo_tars)
    photos = TrainingPhotos(entries, CropSettings(32), seed=3)
    read = []
    photos.entries = [_Recording(entry, read) for entry in entries]
    for epoch in range(2):
        read.clear()
        for position in range(epoch * 40, epoch * 40 + 40):
            photos[position]
        assert sorted(read) == sorted(entry.key for entry in entries)
        assert read != [entry.key for entry in entries]


class _Recording:
    def __init__(self, entry, read):
        self.entry, self.key, self.file = entry, entry.key, entry.file
        self._read = read

    def read(self):
        self._read.append(self.key)
        return self.entry.read()


def test_a_position_is_a_pure_function_of_the_seed(photo_tars):
    entries, crops = find_photos(photo_tars), CropSettings(32)
    one, again, other = (TrainingPhotos(entries, crops, seed) for seed in (5, 5, 6))
    assert (one[77] == again[77]).all()
    assert any((one[p] != other[p]).any() for p in range(4))
    assert one[77].shape == (3, 32, 32)


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_ranks_share_each_batch_without_overlap(ranks):
    alone = [p for batch in Positions(3, 9, 8) for p in batch]
    parts = [list(Positions(3, 9, 8 // ranks, rank, ranks)) for rank in range(ranks)]
    together = [p for step in range(6) for rank in range(ranks) for p in parts[rank][step]]
    assert together == alone


def test_starting_later_gives_the_rest():
    assert list(Positions(0, 10, 4))[6:] == list(Positions(6, 10, 4))


def test_crops_are_the_photograph(photo_folder):
    """A crop of the whole square, not mirrored, is what Pillow's own crop and resize give."""
    image = decode(find_photos(photo_folder)[0])
    found = random_crop(image, CropSettings(64, (1.0, 1.0), False), np.random.default_rng(1))
    left = np.random.default_rng(1)
    left.uniform(1, 1)
    x = left.uniform(0, image.width - 64)
    expected = np.asarray(image.resize((64, 64), Image.Resampling.BILINEAR, (x, 0, x + 64, 64)))
    assert (found.transpose(1, 2, 0) == expected).all()


def test_unreadable_photographs_are_named_and_replaced(photo_folder, tmp_path, caplog):
    for i, entry in enumerate(find_photos(photo_folder)[:4]):
        (tmp_path / f"{i}.png").write_bytes(entry.read() if i else b"not a picture")
    entries = find_photos(tmp_path)
    photos = TrainingPhotos(entries, CropSettings(32), 0)
    for position in range(8):
        assert photos[position].shape == (3, 32, 32)
    assert "0.png" in caplog.text and len(photos.unreadable) == 1


def test_nothing_readable_is_an_error(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(DataError, match="none of the 1"):
        TrainingPhotos(find_photos(tmp_path), CropSettings(32), 0)[0]


@pytest.mark.parametrize("make", [lambda p: p / "missing", lambda p: p])
def test_no_photographs_is_an_error_that_names_the_place(tmp_path, make):
    with pytest.raises(DataError, match=str(make(tmp_path))):
        find_photos(make(tmp_path))


def test_a_damaged_tar_is_named(tmp_path):
    (tmp_path / "bad.tar").write_bytes(b"x" * 1000)
    with pytest.raises(DataError, match=r"bad\.tar"):
        find_photos(tmp_path)


def test_the_fingerprint_tells_data_apart(photo_tars):
    entries = find_photos(photo_tars)
    assert fingerprint(entries) == fingerprint(list(entries)) != fingerprint(entries[1:])

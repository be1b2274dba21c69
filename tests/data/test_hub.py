"""Data sets of the Hugging Face hub, with a folder in the place of its file system."""

import io

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.dirfs import DirFileSystem
from PIL import Image

from photochrom.data import hub
from photochrom.data.photograph import decode
from photochrom.data.sources import find_photos
from photochrom.errors import DataError


def encoded(folder):
    return [p.read_bytes() for p in sorted(folder.rglob("*.png"))]


def write_parquet(path, photographs):
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    values = pa.array([{"bytes": p, "path": None} for p in photographs], kind)
    pq.write_table(pa.table({"image": values}), path, row_group_size=7)


class Hub(DirFileSystem):
    """The hub's file system, as a folder here."""

    protocol = "hf"

    def unstrip_protocol(self, name):
        return f"hf://{name}"

    @classmethod
    def _strip_protocol(cls, path):
        return path.removeprefix("hf://")


@pytest.fixture
def fake_hub(tmp_path, monkeypatch):
    root = tmp_path / "hub"
    (root / "datasets").mkdir(parents=True)
    fs = Hub(path=str(root), fs=fsspec.filesystem("file"))
    monkeypatch.setattr("photochrom.data.locations._open_filesystem", lambda url: (fs, url.removeprefix("hf://")))
    monkeypatch.chdir(tmp_path)
    return root / "datasets"


def test_a_data_set_of_the_hub(photo_folder, fake_hub):
    photographs = encoded(photo_folder)
    place = fake_hub / "owner" / "train-tickets" / "data"
    place.mkdir(parents=True)
    write_parquet(place / "train-00000-of-00001.parquet", photographs[:30])
    write_parquet(place / "validation-00000-of-00001.parquet", photographs[30:])
    for data in ("owner/train-tickets", "hf://datasets/owner/train-tickets"):
        photos = find_photos(data)
        assert len(photos) == 30 and photos[0].key == "train-00000-of-00001.parquet:0"
        assert np.array_equal(decode(photos[7]), Image.open(io.BytesIO(photographs[7])))
    assert len(find_photos("hf://datasets/owner/train-tickets/data/validation-*.parquet")) == 10


def test_the_hubs_own_parquet_is_taken_where_there_is_no_other(photo_folder, fake_hub):
    (fake_hub / "owner" / "zips").mkdir(parents=True)
    copy = fake_hub / "owner" / f"zips@{hub.CONVERTED}" / "default" / "partial-train"
    copy.mkdir(parents=True)
    write_parquet(copy / "0000.parquet", encoded(photo_folder))
    assert len(find_photos("owner/zips")) == 40


def test_a_data_set_without_parquet_or_not_there_is_named(fake_hub):
    with pytest.raises(DataError, match=r"owner/none: no such folder here.*no Parquet files"):
        find_photos("owner/none")


def test_a_folder_of_that_name_comes_before_the_hub(photo_folder, fake_hub, tmp_path):
    (tmp_path / "owner" / "photos").mkdir(parents=True)
    (tmp_path / "owner" / "photos" / "a.png").write_bytes(encoded(photo_folder)[0])
    assert len(find_photos("owner/photos")) == 1

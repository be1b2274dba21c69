"""Classes from folders, keys, .cls members and Parquet columns."""

import io
import json
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from photochrom.data.sources import find_photos
from photochrom.errors import DataError, SettingError
from photochrom.features.class_labels import class_names, from_key, label_column


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("cat/one.jpg", "cat"),
        ("train/n02124075/n02124075_1.JPEG", "n02124075"),
        ("tiny-n02124075-000123.webp", "n02124075"),
        ("caltech101-Faces_easy-000001.webp", "Faces_easy"),
        ("a-b-c-7.png", "b-c"),
        ("houses-x-000057.webp", None),
        ("grandmother.jpg", None),
        ("1923-05.jpg", None),
        ("dog/tiny-cat-1.png", "dog"),
    ],
)
def test_keys(key, expected):
    assert from_key(key) == expected


def tar_of(path, members):
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def png():
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (200, 30, 30)).save(buffer, "PNG")
    return buffer.getvalue()


def test_cls_members_come_before_keys(tmp_path):
    members = [
        ("a/one.png", png()), ("a/one.cls", b"17\n"), ("a/one.jpg", b"too"), ("b/two.png", png()),
        ("tiny-cat-3.png", png()), ("tiny-cat-3.cls", b"dog"), ("three.png", png()), ("four.cls", b"1"),
    ]  # fmt: skip
    photos = find_photos(tar_of(tmp_path / "x.tar", members))
    found = dict(zip([entry.key for entry in photos], class_names(photos), strict=True))
    assert found == {"a/one.png": "17", "a/one.jpg": "17", "b/two.png": "b", "tiny-cat-3.png": "dog", "three.png": None}


def test_a_pattern_replaces_all_that(tmp_path):
    members = [("a/tiny-cat-3.png", png()), ("a/tiny-cat-3.cls", b"dog"), ("a/x.png", png())]
    photos = find_photos(tar_of(tmp_path / "x.tar", members))
    assert class_names(photos, r"(\w+)-\d") == ["cat", None]
    assert class_names(photos, r"(a)/(?P<class>\w+)") == ["tiny", "x"]
    with pytest.raises(SettingError, match="--class-from-key is 'cat', which has no group"):
        class_names(photos, "cat")
    with pytest.raises(SettingError, match=r"--class-from-key is '\(': .*expected a regular expression"):
        class_names(photos, "(")


def parquet(path, columns, features=None, rows_in_group=2):
    table = pa.table(columns)
    if features:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, path, row_group_size=rows_in_group)
    return path


def test_parquet_labels_stay_with_their_rows(tmp_path):
    images = pa.array([{"bytes": png(), "path": None}] * 5)
    names = {"label": {"_type": "ClassLabel", "names": ["cat", "dog"]}}
    parquet(tmp_path / "train-0.parquet", {"image": images, "label": [0, 1, 1, -1, 0]}, names)
    parquet(tmp_path / "train-1.parquet", {"image": images, "label": [1, 1, 0, None, 1]}, names, rows_in_group=3)
    found = class_names(find_photos(tmp_path))
    assert found == ["cat", "dog", "dog", None, "cat", "dog", "dog", "cat", None, "dog"]


def test_which_column_is_the_labels(tmp_path):
    plain = pa.schema([("img", pa.binary()), ("coarse", pa.int64()), ("fine", pa.int64()), ("note", pa.string())])
    with pytest.raises(DataError, match=r"x\.parquet: no column of labels among img \(binary\), coarse \(int64\)"):
        label_column(plain, "x.parquet")
    both = {name: {"_type": "ClassLabel", "names": ["a", "b"]} for name in ("coarse", "fine")}
    typed = plain.with_metadata({"huggingface": json.dumps({"info": {"features": both}})})
    with pytest.raises(DataError, match=r"more than one column of labels.*--label-column"):
        label_column(typed, "x.parquet")
    assert label_column(typed, "x.parquet", "fine") == ("fine", ["a", "b"])
    assert label_column(plain, "x.parquet", "note") == ("note", None)
    with pytest.raises(DataError, match="no column 'img' of labels"):
        label_column(plain, "x.parquet", "img")
    one = plain.with_metadata({"huggingface": json.dumps({"info": {"features": {"fine": both["fine"]}}})})
    assert label_column(one, "x.parquet") == ("fine", ["a", "b"])
    assert label_column(pa.schema([("label", pa.string()), ("n", pa.int64())]), "x.parquet") == ("label", None)

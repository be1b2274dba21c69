from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import color as reference

from photochrom.errors import DataError, MissingPhotoError, SettingError, UnreadablePhotoError
from photochrom.evaluation.photographs import (
    list_photographs,
    read_crop,
    read_labels,
    read_whole,
    spread,
    take_half,
)


def test_listed_in_sorted_order_without_labels_and_hidden_files(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "labels.csv", ".c.jpg.part", ".d.jpg", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "aa").mkdir()
    (tmp_path / "aa" / "z.jpeg").touch()
    found = [path.relative_to(tmp_path).as_posix() for path in list_photographs(tmp_path)]
    assert found == ["a.png", "aa/z.jpeg", "b.JPG"]


def test_halves_are_the_even_and_odd_positions_from_zero() -> None:
    paths = [Path(f"{i}.jpg") for i in range(5)]
    assert take_half(paths, "even") == [paths[0], paths[2], paths[4]]
    assert take_half(paths, "odd") == [paths[1], paths[3]]
    assert take_half(paths, "all") == paths
    with pytest.raises(SettingError, match=r"'left'.*all, even, odd"):
        take_half(paths, "left")


def test_limit_spreads_over_the_list() -> None:
    paths = [Path(f"{i}.jpg") for i in range(10)]
    assert spread(paths, 3) == [paths[0], paths[3], paths[6]]
    assert spread(paths, None) == spread(paths, 99) == paths
    with pytest.raises(SettingError, match="limit is 0"):
        spread(paths, 0)


@pytest.mark.parametrize("missing", [True, False])
def test_folder_without_photographs(tmp_path: Path, missing: bool) -> None:
    with pytest.raises(DataError, match="not a folder" if missing else "no photographs found"):
        list_photographs(tmp_path / "nowhere" if missing else tmp_path)


def test_labels_with_unlabelled_rows(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    (tmp_path / "b.jpg").touch()
    table = tmp_path / "labels.csv"
    table.write_text("file,imagenet_class\na.jpg,999\nb.jpg,\n")
    assert read_labels(table, tmp_path) == {"a.jpg": 999}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,imagenet_class\ngone.jpg,1\n", "line 2: gone.jpg is not in"),
        ("file,imagenet_class\na.jpg,1000\n", r"line 2: class is '1000'; expected 0\.\.999"),
        ("file,imagenet_class\na.jpg,cat\n", "line 2: class is 'cat'"),
        ("name,class\na.jpg,1\n", "expected file, imagenet_class"),
        ("file,imagenet_class\na.jpg,\n", "no labelled photographs"),
        ("", "expected file, imagenet_class"),
    ],
)
def test_bad_labels_say_where(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.jpg").touch()
    table = tmp_path / "labels.csv"
    table.write_text(text)
    with pytest.raises(DataError, match=message):
        read_labels(table, tmp_path)


def test_missing_labels(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_labels(tmp_path / "labels.csv", tmp_path)


def test_a_photograph_of_the_right_size_is_not_resampled(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (256, 341, 3), dtype=np.uint8)
    Image.fromarray(rgb).save(tmp_path / "wide.png")
    Image.fromarray(np.ascontiguousarray(rgb.transpose(1, 0, 2))).save(tmp_path / "tall.png")
    np.testing.assert_array_equal(read_whole(tmp_path / "wide.png").rgb, rgb)
    np.testing.assert_array_equal(read_crop(tmp_path / "wide.png", 256).rgb, rgb[:, 42 : 42 + 256])
    np.testing.assert_array_equal(read_crop(tmp_path / "tall.png", 256).rgb.transpose(1, 0, 2), rgb[:, 42 : 42 + 256])


def test_other_kinds_become_rgb(tmp_path: Path) -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8), (200, 1))
    Image.fromarray(ramp).save(tmp_path / "grey.png")
    Image.fromarray(np.dstack([ramp] * 3 + [np.full_like(ramp, 255)])).save(tmp_path / "alpha.png")
    for name in ("grey.png", "alpha.png"):
        np.testing.assert_array_equal(read_whole(tmp_path / name).rgb, np.dstack([ramp] * 3))
        assert read_crop(tmp_path / name, 256).rgb.shape == (256, 256, 3)


def test_lab_is_scikit_image_s(photographs: Path) -> None:
    photograph = read_crop(photographs / "coffee.png", 256)
    expected = reference.rgb2lab(photograph.rgb)
    assert np.abs(photograph.lab - expected).max() < 0.02
    assert photograph.lightness.shape == (256, 256)
    assert photograph.ab.dtype == np.float32


def test_unreadable_photographs_are_named(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no photograph")
    for read in (read_whole, lambda path: read_crop(path, 256)):
        with pytest.raises(UnreadablePhotoError, match=r"text\.jpg"):
            read(tmp_path / "text.jpg")
        with pytest.raises(MissingPhotoError, match=r"gone\.jpg: no such file"):
            read(tmp_path / "gone.jpg")


def test_labels_that_are_no_text(photographs: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes(b"\xff\xd8\xff\xe0 not text")
    with pytest.raises(DataError, match=r"labels\.csv: not a text file; expected a CSV"):
        read_labels(tmp_path / "labels.csv", photographs)


def test_a_text_file_is_no_photograph(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("hello")
    with pytest.raises(UnreadablePhotoError, match="not a photograph of a known format; expected a whole photograph"):
        read_crop(tmp_path / "text.jpg", 256)

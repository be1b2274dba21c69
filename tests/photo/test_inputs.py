"""Whatever a caller holds a photograph in gives the same picture; everything else is a typed error."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from photochrom.colorizer import Colorizer
from photochrom.errors import OutputError, PhotochromError, SettingError, UnreadablePhotoError


@pytest.fixture
def photo(tmp_path: Path, cat: NDArray[np.uint8]) -> Path:
    path = tmp_path / "cat.png"
    Image.fromarray(cat).resize((60, 40)).save(path)
    return path


HOLDERS: list[Callable[[Path], object]] = [
    str,
    lambda path: path,
    Path.read_bytes,
    lambda path: bytearray(path.read_bytes()),
    lambda path: memoryview(path.read_bytes()),
    lambda path: io.BytesIO(path.read_bytes()),
    Image.open,
    lambda path: np.asarray(Image.open(path)),
]


@pytest.mark.parametrize("holder", HOLDERS)
def test_every_holder_gives_the_same(holder: Callable[[Path], object], photo: Path, colorizer: Colorizer) -> None:
    expected = colorizer.colorize(photo)
    assert np.array_equal(colorizer.colorize(holder(photo)), expected)
    target = io.BytesIO()
    colorizer.colorize_file(holder(photo), target)
    assert np.array_equal(np.asarray(Image.open(target)), expected)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(colorizer.colorize_file(holder(photo))))), expected)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I;16", "I"])
def test_pillows_modes(mode: str, photo: Path, colorizer: Colorizer) -> None:
    image = Image.open(photo)
    if mode in ("I;16", "I"):
        deep = np.asarray(image.convert("L"), np.uint16) * 257
        converted = Image.fromarray(deep) if mode == "I;16" else Image.fromarray(deep.astype(np.int32))
        expected = colorizer.colorize(deep)
    else:
        converted = image.convert(mode)
        expected = colorizer.colorize(np.asarray(converted.convert({"LA": "LA", "RGBA": "RGBA"}.get(mode, "RGB"))))
    found = colorizer.colorize(converted)
    assert found.dtype == expected.dtype and found.shape == expected.shape
    if mode != "CMYK":  # Pillow's own conversion knows no profile
        assert np.abs(found.astype(int) - expected).max() <= 1


def test_pillows_orientation(photo: Path, colorizer: Colorizer) -> None:
    image = Image.open(photo)
    image.getexif()[0x0112] = 6
    assert colorizer.colorize(image).shape == (60, 40, 3)


@pytest.mark.parametrize(
    "wrong",
    [None, 5, [1], "", "a\0b", "lone\ud800", object(), io.StringIO("text"), Path("/"), np.zeros((4, 4)),
     np.zeros((4, 4), bool), np.zeros((4, 4), np.int32), np.ma.zeros((4, 4), np.uint8), Image.new("F", (4, 4)),
     Image.new("LAB", (4, 4)), "/dev/zero", "/dev/null"],
)  # fmt: skip
def test_refusals_are_typed(wrong: object, colorizer: Colorizer) -> None:
    for call in (colorizer.colorize, colorizer.colorize_file):
        with pytest.raises(UnreadablePhotoError):
            call(wrong)


@pytest.mark.parametrize("wrong", [5, "a\0b", "lone\ud800", [1], io.StringIO(), "/"])
def test_targets_that_cannot_be(wrong: object, photo: Path, colorizer: Colorizer) -> None:
    with pytest.raises(OutputError):
        colorizer.colorize_file(photo, wrong, overwrite=True)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "options",
    [{"temperature": "x"}, {"temperature": True}, {"temperature": 1e30}, {"temperature": 1e-30}, {"quality": None},
     {"quality": 9.5}, {"saturation": True}, {"saturation": 1e39}, {"saturation": 10.1}, {"saturation": None},
     {"decode": None}, {"decode": []}, {"format": None}, {"format": "bmp"}],
)  # fmt: skip
def test_options_of_a_wrong_kind(options: dict[str, object], photo: Path, colorizer: Colorizer) -> None:
    with pytest.raises(SettingError):
        colorizer.colorize_file(photo, None, **options)  # type: ignore[call-overload]


def test_read_only_views_and_other_byte_orders(colorizer: Colorizer, cat: NDArray[np.uint8]) -> None:
    deep = cat.astype(np.uint16) * 257
    expected = colorizer.colorize(deep)
    assert np.array_equal(colorizer.colorize(deep.astype(">u2")), expected)
    view = np.repeat(deep, 2, axis=1)[:, ::2]
    view.flags.writeable = False
    assert np.array_equal(colorizer.colorize(view), expected)


def test_pipes(photo: Path, tmp_path: Path, colorizer: Colorizer) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(photo.read_bytes()))
    writer.start()
    found = colorizer.colorize(tmp_path / "pipe")
    writer.join()
    assert np.array_equal(found, colorizer.colorize(photo))
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    colorizer.colorize_file(photo, tmp_path / "pipe", format="png")
    reader.join()
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(got[0]))), found)


def test_every_refusal_is_one_family() -> None:
    assert issubclass(UnreadablePhotoError, PhotochromError) and issubclass(SettingError, PhotochromError)

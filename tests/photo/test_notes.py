"""Damaged and unfinished JPEGs, motion photos, lossless WebP, and files that are named in the refusal."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import pyvips
from numpy.typing import NDArray
from PIL import Image

from photochrom.colorizer import Colorizer
from photochrom.errors import UnreadablePhotoError
from photochrom.photo.read_errors import unreadable
from photochrom.photo.reading import open_photo
from photochrom.photo.webp_kind import is_lossless


def jpeg(cat: NDArray[np.uint8], **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(cat).convert("RGB").save(buffer, "JPEG", quality=90, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_lacks_only_its_end_is_whole(cat: NDArray[np.uint8], progressive: bool) -> None:
    data = jpeg(cat, progressive=progressive)
    photo = open_photo(data[:-2])
    assert np.array_equal(photo.array(), open_photo(data).array())
    assert photo.notes == ["its end marker is missing; nothing of the picture is"]


def test_a_jpeg_cut_short_is_refused(cat: NDArray[np.uint8]) -> None:
    data = jpeg(cat)
    with pytest.raises(UnreadablePhotoError, match="damaged or cut short"):
        open_photo(data[: len(data) // 2]).array()


def test_damaged_jpeg_data_are_noted(cat: NDArray[np.uint8], tmp_path: Path, colorizer: Colorizer) -> None:
    data = bytearray(jpeg(cat))
    middle = len(data) // 2
    data[middle : middle + 8] = b"\xff\xd3" * 4  # restart markers where none belong
    path = tmp_path / "in.jpg"
    path.write_bytes(data)
    report = colorizer.colorize_file(path, tmp_path / "out.jpg")
    assert any("data are damaged" in note for note in report.notes)
    path.write_bytes(jpeg(cat))
    assert colorizer.colorize_file(path, tmp_path / "whole.jpg").notes == ()


def test_a_motion_photo_is_noted(cat: NDArray[np.uint8]) -> None:
    data = jpeg(cat, xmp=b'<x GCamera:MotionPhoto="1"/>') + b"\0\0\0\x18ftypmp42" + bytes(100)
    assert open_photo(data).notes == ["a motion photo: its film was left out"]


@pytest.mark.parametrize("lossless", [False, True])
def test_webp_stays_as_lossless_as_it_was(
    lossless: bool, cat: NDArray[np.uint8], tmp_path: Path, colorizer: Colorizer
) -> None:
    Image.fromarray(cat).convert("RGB").save(tmp_path / "in.webp", lossless=lossless)
    colorizer.colorize_file(tmp_path / "in.webp", tmp_path / "out.webp")
    assert (b"VP8L" in (tmp_path / "out.webp").read_bytes()) is lossless
    assert is_lossless(tmp_path / "out.webp") is lossless


@pytest.mark.parametrize(
    ("head", "kind"),
    [(b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"), (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"), (b"8BPS\0\1", "Photoshop"),
     (b"\0\0\0\x18ftypcrx ", "CR3"), (b"\0\0\0\x18ftypqt  ", "QuickTime"), (b"<!DOCTYPE html><html>", "HTML page"),
     (b"", "empty"), (bytes(64), "only zeros"), (b"%PDF-1.7", "PDF"), (b"v/1\x01", "OpenEXR"), (b"AT&TFORM", "DjVu")],
)  # fmt: skip
def test_other_files_are_named(head: bytes, kind: str) -> None:
    with pytest.raises(UnreadablePhotoError, match=kind):
        open_photo(head)


def test_the_temporary_folder_is_named_and_not_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))
    error = unreadable("x.jpg", pyvips.Error("unable to call x", "unable to create temporary file"))
    assert "missing, does not exist" in str(error) and "TMPDIR" in str(error) and "damaged" not in str(error)

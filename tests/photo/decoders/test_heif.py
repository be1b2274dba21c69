"""HEIC files, made with pillow-heif, whose wheels carry an encoder."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from photochrom.colorizer import Colorizer
from photochrom.errors import TooLargeError, UnreadablePhotoError
from photochrom.photo.reading import open_photo

pillow_heif = pytest.importorskip("pillow_heif")
pytest.importorskip("pi_heif")


def heic(picture: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(picture).save(buffer, quality=95, **options)
    return buffer.getvalue()


def test_pixels_are_the_picture(cat: NDArray[np.uint8]) -> None:
    found = open_photo(heic(Image.fromarray(cat).convert("RGB"))).array()
    expected = np.asarray(Image.fromarray(cat).convert("RGB"))
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).mean() < 3


def test_the_orientation_is_applied_once(cat: NDArray[np.uint8], tmp_path: Path, colorizer: Colorizer) -> None:
    entries = Image.Exif()
    entries[0x0112], entries[0x010F] = 6, "Maker"
    picture = Image.fromarray(cat).convert("RGB")
    path = tmp_path / "phone.heic"
    path.write_bytes(heic(picture, exif=entries.tobytes()))
    report = colorizer.colorize_file(path, tmp_path / "out.jpg")
    upright = np.asarray(picture.transpose(Image.Transpose.ROTATE_270).convert("L"), int)
    with Image.open(tmp_path / "out.jpg") as image:
        after, exif = np.asarray(image.convert("L"), int), image.getexif()
    assert (report.format, report.height, report.width) == ("jpg", picture.width, picture.height)
    assert np.abs(after - upright).mean() < 4
    assert exif.get(0x0112, 1) == 1 and exif[0x010F] == "Maker"


def test_profile_and_xmp_are_read(cat: NDArray[np.uint8]) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = Image.fromarray(cat).convert("RGB")
    picture.info["icc_profile"] = profile
    photo = open_photo(heic(picture, xmp=b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"))
    assert bytes(photo.header.get("icc-profile-data")) == profile
    assert photo.xmp is not None and b"xmpmeta" in photo.xmp


def test_ten_bits_are_read_as_sixteen() -> None:
    samples = np.full((64, 64, 3), 40_000, np.uint16)
    buffer = io.BytesIO()
    pillow_heif.from_bytes("RGB;16", (64, 64), samples.tobytes()).save(buffer, quality=95)
    found = open_photo(buffer.getvalue()).array()
    assert found.dtype == np.uint16
    assert np.abs(found.astype(int) - 40_000).max() < 400


def test_further_images_are_noted(cat: NDArray[np.uint8]) -> None:
    file = pillow_heif.from_pillow(Image.fromarray(cat).convert("RGB"))
    file.add_from_pillow(Image.fromarray(cat[:100]).convert("RGB"))
    buffer = io.BytesIO()
    file.save(buffer)
    photo = open_photo(buffer.getvalue())
    assert (photo.height, photo.width) == cat.shape[:2]
    assert any("2 images" in note for note in photo.notes)


def test_damage_and_size_are_refused(cat: NDArray[np.uint8]) -> None:
    data = heic(Image.fromarray(cat).convert("RGB"))
    with pytest.raises(TooLargeError):
        open_photo(data, max_pixels=1000)
    with pytest.raises(UnreadablePhotoError, match="damaged or cut short"):
        open_photo(data[: len(data) // 2]).array()

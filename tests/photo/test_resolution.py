"""A resolution that was never stated is not invented; one that was is kept."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from photochrom.colorizer import Colorizer
from photochrom.photo.resolution import exif_without_resolution

AFTER = [".jpg", ".png", ".tif", ".webp", ".avif"]


def stated(path: Path) -> object:
    """What Pillow finds of a resolution, in the container or in EXIF."""
    with Image.open(path) as image:
        exif = image.getexif()
        if image.format == "JPEG":  # its dpi is Pillow's own default where there is EXIF without it
            return image.info.get("jfif_unit") or exif.get(282)
        return image.info.get("dpi") or (exif.get(282) if exif.get(296, 2) != 1 else None)


@pytest.mark.parametrize("after", AFTER)
@pytest.mark.parametrize("before", [".jpg", ".png", ".tif", ".webp", ".gif", "no tags"])
def test_none_stated_none_written(before: str, after: str, cat: NDArray, tmp_path: Path, colorizer: Colorizer) -> None:
    source = tmp_path / ("in.tif" if before == "no tags" else f"in{before}")
    exif = Image.Exif()
    exif[0x010F] = "Leica"
    if before == ".tif":
        tifffile.imwrite(source, cat[:64, :64], resolutionunit="NONE")
    else:
        Image.fromarray(cat[:64, :64]).save(source, **({} if before in (".gif", "no tags") else {"exif": exif}))
    colorizer.colorize_file(source, tmp_path / f"out{after}")
    assert not stated(tmp_path / f"out{after}")
    with Image.open(tmp_path / f"out{after}") as image:
        image.load()
        assert image.getexif()[0x0131].startswith("photochrom")
        if before in (".jpg", ".png", ".webp"):
            assert image.getexif()[0x010F] == "Leica"


@pytest.mark.parametrize("after", AFTER)
@pytest.mark.parametrize("before", [".jpg", ".png", ".tif", "exif"])
def test_a_stated_one_is_kept(before: str, after: str, cat: NDArray, tmp_path: Path, colorizer: Colorizer) -> None:
    source = tmp_path / ("in.webp" if before == "exif" else f"in{before}")
    exif = Image.Exif()
    exif[282], exif[283], exif[296] = 600.0, 600.0, 2
    given = {"exif": exif} if before == "exif" else {"dpi": (600, 600)}
    Image.fromarray(cat[:64, :64]).save(source, **given)
    colorizer.colorize_file(source, tmp_path / f"out{after}")
    with Image.open(tmp_path / f"out{after}") as image:
        found = image.info["dpi"][0] if "dpi" in image.info else float(image.getexif()[282])
        assert found == pytest.approx(600, abs=0.1)


def test_the_proportions_alone_of_a_tiff_stay(cat: NDArray, tmp_path: Path, colorizer: Colorizer) -> None:
    tifffile.imwrite(tmp_path / "in.tif", cat[:64, :64], resolution=(2, 1), resolutionunit="NONE", byteorder=">")
    colorizer.colorize_file(tmp_path / "in.tif", tmp_path / "out.tif")
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        tags = file.pages[0].tags
        assert tags["XResolution"].value == (2, 1) and tags["YResolution"].value == (1, 1)
        assert tags["ResolutionUnit"].value == 1


def test_damaged_exif_stays_as_it_is() -> None:
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0" + struct.pack("<HHLL", 296, 3, 1, 2) + b"\0" * 4
    assert exif_without_resolution(exif) == b"Exif\0\0II*\0\x08\0\0\0" + b"\0" * 18
    for end in range(len(exif)):
        assert exif_without_resolution(exif[:end]) == exif[:end]

"""Files that are no whole photograph, or too large a one: refused by name, and nothing left behind."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import pyvips
import tifffile
from numpy.typing import NDArray
from PIL import Image

from photochrom.colorizer import Colorizer
from photochrom.errors import MissingPhotoError, OutputError, TooLargeError, UnreadablePhotoError

Grey = NDArray[np.uint8]


def bad_files(cat: Grey) -> dict[str, tuple[bytes, str]]:
    """name -> (content, what the message says)."""
    jpeg, png, tiff, webp = io.BytesIO(), io.BytesIO(), io.BytesIO(), io.BytesIO()
    Image.fromarray(cat).save(jpeg, "JPEG")
    Image.fromarray(cat).save(png, "PNG")
    tifffile.imwrite(tiff, cat)
    Image.fromarray(cat).save(webp, "WEBP")
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>'
    return {
        "cut.jpg": (jpeg.getvalue()[: len(jpeg.getvalue()) // 2], "damaged or cut short"),
        "cut.png": (png.getvalue()[: len(png.getvalue()) // 2], "damaged or cut short"),
        "cut.tif": (tiff.getvalue()[: len(tiff.getvalue()) // 2], "damaged or cut short"),
        "cut.webp": (webp.getvalue()[: len(webp.getvalue()) // 2], "damaged or cut short"),
        "head.jpg": (jpeg.getvalue()[:20], "damaged or cut short"),
        "empty.jpg": (b"", r"the file is empty \(0 bytes\)"),
        "text.jpg": (b"dear grandmother, here is the photograph", "a text file"),
        "drawing.svg": (svg, "an SVG or XML document"),
        "drawing.jpg": (b"\n" + svg, "an SVG or XML document"),
        "letter.jpg": (b"%PDF-1.7\n1 0 obj\n", "a PDF document"),
        "noise.jpg": (bytes(range(128, 256)), "an unknown format"),
    }


@pytest.mark.parametrize("name", sorted(bad_files(np.zeros((64, 64, 3), np.uint8))))
def test_bad_files_are_refused_by_name_and_leave_nothing(
    name: str, cat: Grey, tmp_path: Path, colorizer: Colorizer
) -> None:
    content, message = bad_files(cat)[name]
    source = tmp_path / name
    source.write_bytes(content)
    with pytest.raises(UnreadablePhotoError, match=message) as caught:
        colorizer.colorize_file(source, tmp_path / "out.jpg")
    assert str(source) in str(caught.value) and "expected" in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    with pytest.raises(UnreadablePhotoError, match=message):
        colorizer.colorize_file(content, None, name="-")
    with pytest.raises(UnreadablePhotoError, match=message):
        colorizer.colorize(source)


def test_svg_and_pdf_never_reach_libvips(
    cat: Grey, tmp_path: Path, colorizer: Colorizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[object] = []
    monkeypatch.setattr(pyvips.Operation, "call", lambda *args, **options: called.append(args))
    for name in ("drawing.svg", "drawing.jpg", "letter.jpg"):
        (tmp_path / name).write_bytes(bad_files(cat)[name][0])
        with pytest.raises(UnreadablePhotoError):
            colorizer.colorize_file(tmp_path / name, tmp_path / "out.jpg")
    assert called == []


def test_missing_file_and_folder(tmp_path: Path, colorizer: Colorizer) -> None:
    with pytest.raises(MissingPhotoError, match="no such file"):
        colorizer.colorize_file(tmp_path / "none.jpg", tmp_path / "out.jpg")
    with pytest.raises(UnreadablePhotoError, match="is a folder"):
        colorizer.colorize_file(tmp_path, tmp_path / "out.jpg")


def test_decompression_bomb_is_refused_by_its_header(tmp_path: Path, colorizer: Colorizer) -> None:
    pyvips.Image.black(30000, 30000).pngsave(str(tmp_path / "bomb.png"), bitdepth=1)
    assert (tmp_path / "bomb.png").stat().st_size < 500_000
    with pytest.raises(TooLargeError, match="30000 x 30000 pixels; expected at most 500000000"):
        colorizer.colorize_file(tmp_path / "bomb.png", tmp_path / "out.png")


def test_a_format_that_is_too_small_for_the_photograph(tmp_path: Path, colorizer: Colorizer) -> None:
    pyvips.Image.black(17000, 1).pngsave(str(tmp_path / "wide.png"))
    with pytest.raises(OutputError, match="more than webp holds"):
        colorizer.colorize_file(tmp_path / "wide.png", tmp_path / "out.webp")

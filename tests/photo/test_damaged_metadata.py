"""Damaged metadata costs itself only; what is outdated goes; only photochrom's own mark counts."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Literal

import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, IptcImagePlugin

from photochrom.colorizer import Colorizer
from photochrom.photo.metadata import has_mark, is_marked, marked_xmp
from photochrom.photo.photoshop_resources import iptc_in, with_head

IPTC = b"\x1c\x02\x78\x00\x03abc"
RDF = (
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""'
    b' xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/" tiff:Orientation="6">'
    b"<tiff:ImageWidth>9</tiff:ImageWidth><dc:format>%s</dc:format></rdf:Description></rdf:RDF>"
)


def test_iptc_is_found_by_parsing_the_resources() -> None:
    fake = b"8BIM\x04\x04\0\0\0\0\0\x02xx"
    other = b"8BIM\x04\x0c\0\0" + len(fake).to_bytes(4) + fake
    head = b"Photoshop 3.0\0"
    assert iptc_in(head + other) is None
    assert iptc_in(head + other + with_head(IPTC).removeprefix(head)) == IPTC
    whole = with_head(IPTC)
    assert all(iptc_in(whole[:end]) is None for end in range(len(whole) - len(IPTC) % 2))


def test_what_describes_the_old_pixels_goes_and_cdata_stays() -> None:
    packet = marked_xmp(RDF % b"<![CDATA[a < b]]>")
    assert has_mark(packet) and b"a &lt; b" in packet
    assert b"Orientation" not in packet and b"ImageWidth" not in packet


def test_the_prefixes_of_a_packet_stay() -> None:
    names = (
        b'<a:one xmlns:a="http://example.org/a/"/><lr:list xmlns:lr="http://ns.adobe.com/lightroom/1.0/"/>'
        b'<GPano:x xmlns:GPano="http://ns.google.com/photos/1.0/panorama/"/><ns7:y xmlns:ns7="http://example.org/7/"/>'
    )
    packet = marked_xmp(RDF % names)
    assert all(name in packet for name in (b"<a:one", b"<lr:list", b"<GPano:x", b"http://example.org/7/"))
    assert marked_xmp(packet).count(b"<GPano:x") == 1 and has_mark(packet)
    other = marked_xmp(RDF % b'<a:two xmlns:a="http://example.org/b/"/>')
    assert b"<a:two" in other and b'xmlns:a="http://example.org/b/"' in other


@pytest.mark.parametrize("order", ["<", ">"])
def test_iptc_among_a_tiffs_image_resources(
    order: Literal["<", ">"], cat: NDArray, tmp_path: Path, colorizer: Colorizer
) -> None:
    other = b"8BIM\x03\xed\0\0\0\0\0\x02xx"
    resources = other + with_head(IPTC).removeprefix(b"Photoshop 3.0\0")
    tags = [(34377, 1, len(resources), resources, True)]
    tifffile.imwrite(tmp_path / "in.tif", cat[:64, :64], extratags=tags, byteorder=order)
    for suffix in (".tif", ".jpg"):
        colorizer.colorize_file(tmp_path / "in.tif", tmp_path / f"out{suffix}")
        with Image.open(tmp_path / f"out{suffix}") as image:
            assert IptcImagePlugin.getiptcinfo(image) == {(2, 120): b"abc"}


@pytest.mark.parametrize("inside", [b"<a>" * 1500 + b"</a>" * 1500, b"x" * 65_000])
def test_xmp_too_deep_or_too_large_leaves_the_mark(
    inside: bytes, cat: NDArray, tmp_path: Path, colorizer: Colorizer
) -> None:
    Image.fromarray(cat).save(tmp_path / "in.jpg", xmp=RDF % inside)
    colorizer.colorize_file(tmp_path / "in.jpg", tmp_path / "out.jpg")
    assert is_marked(tmp_path / "out.jpg")


def test_another_tools_source_type_is_no_mark(cat: NDArray, tmp_path: Path) -> None:
    Image.fromarray(cat).save(tmp_path / "in.jpg", xmp=marked_xmp(None))
    assert not is_marked(tmp_path / "in.jpg")


def test_a_png_keyword_that_is_not_utf8(cat: NDArray, tmp_path: Path, colorizer: Colorizer) -> None:
    Image.fromarray(cat).save(tmp_path / "whole.png")
    png = (tmp_path / "whole.png").read_bytes()
    body = b"tEXt" + b"Gr\xf6\xdfe\0text"
    chunk = (len(body) - 4).to_bytes(4) + body + zlib.crc32(body).to_bytes(4)
    (tmp_path / "in.png").write_bytes(png[:33] + chunk + png[33:])
    colorizer.colorize_file(tmp_path / "in.png", tmp_path / "out.png")
    assert is_marked(tmp_path / "out.png")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_exif_of_the_old_colours_and_the_thumbnail_go(
    suffix: str, cat: NDArray, tmp_path: Path, colorizer: Colorizer
) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Leica"
    exif[0x013F] = (0.64, 0.33, 0.21, 0.71, 0.15, 0.06)  # PrimaryChromaticities
    exif.get_ifd(0x8769)[0xA001] = 2  # ColorSpace: Adobe RGB
    exif.get_ifd(0x8769)[0xA500] = 2.2  # Gamma
    exif.get_ifd(0x8769)[0xA002] = 9  # PixelXDimension
    Image.fromarray(cat).save(tmp_path / f"in{suffix}", exif=exif)
    colorizer.colorize_file(tmp_path / f"in{suffix}", tmp_path / f"out{suffix}")
    with Image.open(tmp_path / f"out{suffix}") as image:
        found = image.getexif()
        assert found[0x010F] == "Leica" and 0x013F not in found
        ifd = found.get_ifd(0x8769)
        assert ifd.get(0xA001) == 1 and 0xA500 not in ifd and ifd.get(0xA002) in (None, cat.shape[1])
        assert not found.get_ifd(1)

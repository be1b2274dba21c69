"""What a photograph's file says is carried, the mark is added; read back by Pillow and tifffile."""

from __future__ import annotations

import io
import struct
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
import pyvips
import tifffile
from numpy.typing import NDArray
from PIL import Image, IptcImagePlugin
from PIL.TiffImagePlugin import IFDRational

from photochrom import __version__
from photochrom.colorizer import Colorizer
from photochrom.photo.exif import complete_tiff, read_exif
from photochrom.photo.metadata import SOURCE_TYPE, has_mark, is_marked, marked_xmp
from photochrom.photo.tiff.file import TiffError, TiffFile

SOFTWARE = f"photochrom {__version__}, model tiny, temperature 0.38"
EXIF_IFD, GPS_IFD = 0x8769, 0x8825
XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="uuid:1" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:my="http://example.org/my/"'
    ' my:box="17"><dc:title><rdf:Alt><rdf:li xml:lang="x-default">Großmutter &amp; 할머니</rdf:li></rdf:Alt>'
    "</dc:title></rdf:Description></rdf:RDF></x:xmpmeta>"
).encode()


def exif() -> Image.Exif:
    made = Image.Exif()
    made[0x010E] = "Grandmother in the garden"  # ImageDescription
    made[0x013B] = "Grandfather"  # Artist
    made[0x010F] = "Leica"  # Make
    made.get_ifd(EXIF_IFD)[0x9003] = "1938:05:01 12:00:00"  # DateTimeOriginal
    made.get_ifd(EXIF_IFD)[0x829A] = IFDRational(1, 60)  # ExposureTime
    made.get_ifd(GPS_IFD)[1] = "N"
    made.get_ifd(GPS_IFD)[2] = (48.0, 12.0, 30.0)
    return made


def assert_exif(found: Image.Exif) -> None:
    assert found[0x010E] == "Grandmother in the garden"
    assert found[0x013B] == "Grandfather" and found[0x010F] == "Leica"
    assert found[0x0131] == SOFTWARE
    assert found.get(0x0112, 1) == 1
    assert found.get_ifd(EXIF_IFD)[0x9003] == "1938:05:01 12:00:00"
    assert float(found.get_ifd(EXIF_IFD)[0x829A]) == pytest.approx(1 / 60)
    assert found.get_ifd(GPS_IFD)[1] == "N"
    assert [float(v) for v in found.get_ifd(GPS_IFD)[2]] == [48, 12, 30]


@pytest.mark.parametrize("after", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("before", [".jpg", ".png", ".webp", ".tif"])
def test_exif_xmp_and_the_mark_between_all_formats(
    before: str, after: str, cat: NDArray, tmp_path: Path, colorizer: Colorizer
) -> None:
    source, target = tmp_path / f"in{before}", tmp_path / f"out{after}"
    Image.fromarray(cat).save(source, exif=exif(), **({"xmp": XMP} if before in (".jpg", ".webp") else {}))
    if before == ".tif":  # Pillow leaves EXIF and GPS out of a TIFF
        complete_tiff(source, *read_exif(exif().tobytes()), SOFTWARE, None)
        with Image.open(source) as image:
            assert_exif(image.getexif())
    assert not is_marked(source)
    colorizer.colorize_file(source, target)
    with Image.open(target) as image:
        assert_exif(image.getexif())
    fields = pyvips.Image.new_from_file(str(target))
    packet = bytes(fields.get("xmp-data"))
    assert has_mark(packet) and is_marked(target)
    if before in (".jpg", ".webp"):
        assert "Großmutter &amp; 할머니".encode() in packet and b'box="17"' in packet


def test_exiftools_view_of_the_mark(tmp_path: Path) -> None:
    """The property stands where IPTC's standard says: by its namespace, about the same thing as the rest."""
    root = ElementTree.fromstring(marked_xmp(XMP))
    rdf = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
    descriptions = root.findall(f"{rdf}RDF/{rdf}Description")
    found = [d.findtext("{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType") for d in descriptions]
    assert [f for f in found if f] == [SOURCE_TYPE]
    assert {d.get(f"{rdf}about") for d in descriptions} == {"uuid:1"}


def test_the_mark_replaces_an_older_source_type_and_is_added_once() -> None:
    older = marked_xmp(XMP).replace(b"compositeWithTrainedAlgorithmicMedia", b"digitalCapture")
    assert not has_mark(older)
    twice = marked_xmp(marked_xmp(older))
    assert twice.count(SOURCE_TYPE.encode()) == 1 and b"digitalCapture" not in twice and has_mark(twice)


@pytest.mark.parametrize(
    "packet",
    [b"", b"no xml", b"<a/>", b"<x:xmpmeta", XMP[:-20], b"\xff\xfe\x00", b"<?xml version='1.0' encoding='none'?><a/>",
     b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'],
)  # fmt: skip
def test_a_malformed_packet_makes_way(packet: bytes, cat: NDArray, tmp_path: Path, colorizer: Colorizer) -> None:
    assert has_mark(marked_xmp(packet)) and not has_mark(packet)
    Image.fromarray(cat).save(tmp_path / "in.jpg", xmp=packet)
    colorizer.colorize_file(tmp_path / "in.jpg", tmp_path / "out.jpg")
    assert is_marked(tmp_path / "out.jpg")


def test_marks_of_gif_and_avif(cat: NDArray, tmp_path: Path, colorizer: Colorizer) -> None:
    for suffix in (".gif", ".avif"):
        Image.fromarray(cat).save(tmp_path / f"in{suffix}")
        colorizer.colorize_file(tmp_path / f"in{suffix}", tmp_path / f"out{suffix}")
        assert is_marked(tmp_path / f"out{suffix}") and not is_marked(tmp_path / f"in{suffix}")
    with Image.open(tmp_path / "out.gif") as image:  # still a GIF
        image.load()


def test_what_is_no_photograph_is_not_marked(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("text")
    assert not is_marked(tmp_path / "a.jpg") and not is_marked(tmp_path / "b.jpg") and not is_marked(tmp_path)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_resolution_is_kept(suffix: str, cat: NDArray, tmp_path: Path, colorizer: Colorizer) -> None:
    Image.fromarray(cat).save(tmp_path / f"in{suffix}", dpi=(600, 600))
    colorizer.colorize_file(tmp_path / f"in{suffix}", tmp_path / f"out{suffix}")
    with Image.open(tmp_path / f"out{suffix}") as image:
        assert image.info["dpi"] == pytest.approx((600, 600), abs=0.1)


@pytest.mark.parametrize("before", [".jpg", ".tif"])
@pytest.mark.parametrize("after", [".jpg", ".tif"])
def test_iptc_is_kept_in_each_formats_wrapping(
    before: str, after: str, cat: NDArray, tmp_path: Path, colorizer: Colorizer
) -> None:
    iptc = b"\x1c\x02\x78\x00\x0bgrandmother\x1c\x02\x50\x00\x05Agnes"  # 2:120 caption, 2:80 author
    if before == ".jpg":
        image = pyvips.Image.new_from_array(cat).copy()
        wrapped = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + struct.pack(">L", len(iptc)) + iptc
        image.set_type(pyvips.GValue.blob_type, "iptc-data", wrapped)
        image.jpegsave(str(tmp_path / "in.jpg"))
    else:
        tifffile.imwrite(tmp_path / "in.tif", cat, extratags=[(33723, 7, len(iptc), iptc, True)])
    colorizer.colorize_file(tmp_path / f"in{before}", tmp_path / f"out{after}")
    with Image.open(tmp_path / f"out{after}") as written:
        assert IptcImagePlugin.getiptcinfo(written) == {(2, 120): b"grandmother", (2, 80): b"Agnes"}


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_tags_of_every_page_of_a_tiff_by_tifffile(
    byteorder: str, big: bool, cat: NDArray, grey16: NDArray, tmp_path: Path, colorizer: Colorizer
) -> None:
    with tifffile.TiffWriter(tmp_path / "in.tif", bigtiff=big, byteorder=byteorder) as writer:
        for name, page in (("recto", cat), ("verso", cat[:100])):
            writer.write(
                page, contiguous=False, description=name, software="scanner 1", datetime="1999:12:31 23:59:59",
                metadata=None, resolution=(400, 400), resolutionunit="INCH", compression="zlib", predictor=True,
                extratags=[(315, 2, 0, "Grandfather", True), (33432, 2, 0, "free", True)],
            )  # fmt: skip
    colorizer.colorize_file(tmp_path / "in.tif", tmp_path / "out.tif")
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert len(file.pages) == 2
        for name, page in zip(("recto", "verso"), file.pages, strict=True):
            tags = {tag.name: tag.value for tag in page.tags}
            assert tags["ImageDescription"] == name and tags["Software"] == SOFTWARE
            assert tags["DateTime"] == "1999:12:31 23:59:59"
            assert tags["Artist"] == "Grandfather" and tags["Copyright"] == "free"
            assert tags["Compression"] == tifffile.COMPRESSION.ADOBE_DEFLATE and tags["BitsPerSample"] == (8, 8, 8)
            assert tags["XResolution"][0] / tags["XResolution"][1] == pytest.approx(400)
            assert has_mark(tags["XMP"])
            assert list(page.tags.keys()) == sorted(page.tags.keys())
            assert page.asarray().shape == ((300, 451, 3) if name == "recto" else (100, 451, 3))


@pytest.mark.parametrize("compression", [None, "lzw", "deflate", "jpeg"])
def test_a_tiffs_compression_is_kept(
    compression: str | None, cat: NDArray, tmp_path: Path, colorizer: Colorizer
) -> None:
    pyvips.Image.new_from_array(cat).tiffsave(str(tmp_path / "in.tif"), compression=compression or "none")
    colorizer.colorize_file(tmp_path / "in.tif", tmp_path / "out.tif")
    with tifffile.TiffFile(tmp_path / "in.tif") as before, tifffile.TiffFile(tmp_path / "out.tif") as after:
        assert after.pages[0].compression == before.pages[0].compression


def test_a_one_bit_fax_becomes_a_colour_tiff(tmp_path: Path, colorizer: Colorizer) -> None:
    page = np.random.default_rng(0).random((64, 64)) > 0.5
    Image.fromarray(page).save(tmp_path / "in.tif", compression="group4")
    colorizer.colorize_file(tmp_path / "in.tif", tmp_path / "out.tif")
    assert tifffile.imread(tmp_path / "out.tif").shape == (64, 64, 3)


def tiff_bytes(cat: NDArray) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, cat[:16, :16], byteorder="<")
    return file.getvalue()


@pytest.mark.parametrize("damage", ["circle", "cut", "huge tag", "no header"])
def test_damage_in_directories_costs_no_more_than_itself(damage: str, cat: NDArray) -> None:
    data = bytearray(tiff_bytes(cat))
    first = struct.unpack("<L", data[4:8])[0]
    count = struct.unpack("<H", data[first : first + 2])[0]
    if damage == "circle":
        data[first + 2 + 12 * count :][:4] = b""
        data[first + 2 + 12 * count : first + 6 + 12 * count] = struct.pack("<L", first)
    elif damage == "cut":
        del data[first + 30 :]
    elif damage == "huge tag":
        data[first + 2 + 2 : first + 2 + 8] = struct.pack("<HL", 12, 2**31)
    else:
        data[:4] = b"II\x07\x00"
    if damage in ("cut", "no header"):
        with pytest.raises(TiffError):
            TiffFile(io.BytesIO(bytes(data))).directories()
    else:
        (page,) = TiffFile(io.BytesIO(bytes(data))).directories()
        assert page.lost == ([256] if damage == "huge tag" else [])
        assert page.number(257, "<") == 16

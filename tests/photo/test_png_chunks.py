"""A PNG's XMP, texts and time reach the coloured PNG; read back by Pillow, and byte by byte."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import pytest
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from photochrom.colorizer import Colorizer
from photochrom.photo.metadata import SOURCE_TYPE, is_marked
from photochrom.photo.png_chunks import read_chunks, xmp_in

PACKET = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:source>Jørgen Müller</dc:source>'
    "</rdf:Description></rdf:RDF></x:xmpmeta>"
)
TIME = struct.pack(">H5B", 1999, 12, 31, 23, 59, 58)


def png_with_everything(cat: NDArray, path: Path) -> None:
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", PACKET)
    info.add_text("Description", "Sunday walk", zip=True)
    info.add_text("Comment", "kräftig retuschiert")
    info.add_itxt("Title", "할머니", "ko", "제목", zip=True)
    info.add_text("Software", "scanner 1")
    info.add(b"tIME", TIME)
    exif = Image.Exif()
    exif[0x4746], exif[0x013C] = 5, "scanning desk 3"  # Rating, HostComputer
    Image.fromarray(cat).save(path, pnginfo=info, exif=exif)


def test_descriptions_of_a_png_are_kept(cat: NDArray, tmp_path: Path, colorizer: Colorizer) -> None:
    png_with_everything(cat, tmp_path / "in.png")
    result = colorizer.colorize_file(tmp_path / "in.png", tmp_path / "out.png")
    content = (tmp_path / "out.png").read_bytes()
    assert b"iTXtXML:com.adobe.xmp\0\0\0\0\0" in content
    assert "Jørgen Müller".encode() in content and SOURCE_TYPE.encode() in content
    assert content.count(b"tIME" + TIME + zlib.crc32(b"tIME" + TIME).to_bytes(4)) == 1
    with Image.open(tmp_path / "out.png") as image:
        assert "Jørgen Müller" in image.info["xmp"].decode()
        image.load()  # Pillow checks the checksums
        assert image.text["Description"] == "Sunday walk" and image.text["Comment"] == "kräftig retuschiert"
        assert image.text["Title"] == "할머니" and image.text["Title"].lang == "ko"
        assert "Software" not in image.text
        assert image.getexif()[0x4746] == 5 and image.getexif()[0x013C] == "scanning desk 3"
    assert is_marked(tmp_path / "out.png") and not any("PNG texts" in note for note in result.notes)


@pytest.mark.parametrize("suffix", [".jpg", ".tif", ".webp"])
def test_other_formats_get_the_xmp_and_a_note_about_texts(
    suffix: str, cat: NDArray, tmp_path: Path, colorizer: Colorizer
) -> None:
    png_with_everything(cat, tmp_path / "in.png")
    result = colorizer.colorize_file(tmp_path / "in.png", tmp_path / f"out{suffix}")
    assert "Jørgen Müller".encode() in (tmp_path / f"out{suffix}").read_bytes()
    assert any("Description, Comment, Title" in note for note in result.notes)


def test_xmp_as_older_programs_wrote_it() -> None:
    packet = PACKET.encode()
    digits = packet.hex()
    raw = f"\nxmp\n{len(packet):8}\n" + "\n".join(digits[i : i + 72] for i in range(0, len(digits), 72)) + "\n"
    assert xmp_in([(b"zTXt", b"XML:com.adobe.xmp\0\0" + zlib.compress(packet))]) == packet
    assert xmp_in([(b"tEXt", b"XML:com.adobe.xmp\0" + packet)]) == packet
    assert xmp_in([(b"zTXt", b"Raw profile type xmp\0\0" + zlib.compress(raw.encode()))]) == packet
    assert xmp_in([(b"zTXt", b"XML:com.adobe.xmp\0\0no zlib")]) is None
    assert xmp_in([(b"tEXt", b"Raw profile type xmp\0\nxmp\n3\nxyz")]) is None


def test_texts_that_explode_are_left_out() -> None:
    bomb = zlib.compress(b" " * (40 << 20))
    assert xmp_in([(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + bomb)]) is None


def test_damage_ends_or_costs_only_its_own_chunk(cat: NDArray, tmp_path: Path) -> None:
    png_with_everything(cat, tmp_path / "in.png")
    content = (tmp_path / "in.png").read_bytes()
    assert len(read_chunks(io.BytesIO(content))) == 6
    spoilt = content.replace(b"scanner 1", b"scanner 2")
    assert len(read_chunks(io.BytesIO(spoilt))) == 5
    for end in range(8, content.index(b"IDAT"), 37):
        read_chunks(io.BytesIO(content[:end]))

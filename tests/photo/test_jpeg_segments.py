"""XMP larger than a JPEG's segment is split by Adobe's rules, and read again; chunks are found here by brute force."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from numpy.typing import NDArray
from PIL import Image

from photochrom.colorizer import Colorizer
from photochrom.photo.metadata import is_marked

HEAD = b"http://ns.adobe.com/xmp/extension/\0"
PACKET = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="uuid:1" xmlns:dc="http://purl.org/dc/elements/1.1/">'
    f"<dc:source>{'Jørgens box 7, ' * 9000}end</dc:source></rdf:Description></rdf:RDF></x:xmpmeta>"
).encode()


def extension_of(content: bytes) -> tuple[bytes, bytes]:
    """(GUID, the joined chunks)"""
    at, found, guid = 2, b"", b""
    while content[at + 1] != 0xDA:
        size = int.from_bytes(content[at + 2 : at + 4])
        data = content[at + 4 : at + 2 + size]
        if data.startswith(HEAD):
            guid, rest = data[len(HEAD) : len(HEAD) + 32], data[len(HEAD) + 32 :]
            assert int.from_bytes(rest[4:8]) == len(found) and len(rest) - 8 <= 65_400
            found += rest[8:]
        at += 2 + size
    return guid, found


@pytest.mark.parametrize("before", [".webp", ".png"])
def test_large_xmp_is_split_and_joined(before: str, cat: NDArray, tmp_path: Path, colorizer: Colorizer) -> None:
    Image.fromarray(cat).save(tmp_path / f"in{before}", xmp=PACKET)
    if before == ".png":
        from PIL.PngImagePlugin import PngInfo

        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", PACKET.decode(), zip=True)
        Image.fromarray(cat).save(tmp_path / "in.png", pnginfo=info)
    result = colorizer.colorize_file(tmp_path / f"in{before}", tmp_path / "out.jpg")
    assert not result.notes and is_marked(tmp_path / "out.jpg")
    guid, extension = extension_of((tmp_path / "out.jpg").read_bytes())
    assert hashlib.md5(extension).hexdigest().upper().encode() == guid
    with Image.open(tmp_path / "out.jpg") as image:
        image.load()
        assert b'HasExtendedXMP="' + guid in image.info["xmp"] and b'about="uuid:1"' in image.info["xmp"]
    assert extension.count("Jørgens box 7".encode()) == 9000
    for after in (".jpg", ".png"):
        colorizer.colorize_file(tmp_path / "out.jpg", tmp_path / f"again{after}")
    again = (tmp_path / "again.png").read_bytes()
    assert again.count("Jørgens box 7".encode()) == 9000 and b"HasExtendedXMP" not in again
    assert again.count(b"compositeWithTrained") == 1
    assert extension_of((tmp_path / "again.jpg").read_bytes())[1].count("Jørgens box 7".encode()) == 9000


def test_a_missing_extension_is_noted(cat: NDArray, tmp_path: Path, colorizer: Colorizer) -> None:
    Image.fromarray(cat).save(tmp_path / "in.webp", xmp=PACKET)
    colorizer.colorize_file(tmp_path / "in.webp", tmp_path / "whole.jpg")
    content = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "broken.jpg").write_bytes(content.replace(HEAD, HEAD[::-1]))
    result = colorizer.colorize_file(tmp_path / "broken.jpg", tmp_path / "out.jpg")
    assert any("extended XMP" in note for note in result.notes) and is_marked(tmp_path / "out.jpg")
    assert b"HasExtendedXMP" not in (tmp_path / "out.jpg").read_bytes()

"""A PNG's texts, XMP and time: read, and written, for libvips garbles or loses them.

A chunk: 4 bytes of length, 4 of kind, the data, 4 of checksum. What is damaged is left out.
"""

from __future__ import annotations

import binascii
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

Chunk = tuple[bytes, bytes]
"""Kind and data."""

TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_READ = (*TEXTS, b"tIME", b"pHYs")
_XMP_KEYWORD = b"XML:com.adobe.xmp"
_RAW_XMP_KEYWORD = b"Raw profile type xmp"  # ImageMagick's: hexadecimal digits
_SOFTWARE = b"Software"
# What the output states itself: XMP, EXIF, the profile and what made it.
_REPLACED = frozenset(
    [_XMP_KEYWORD, _SOFTWARE] + [b"Raw profile type " + name for name in (b"xmp", b"exif", b"APP1", b"icc", b"icm")]
)
_MAX_BYTES = 32 << 20  # of all texts together, and of one when it is unpacked


def read_chunks(file: BinaryIO) -> list[Chunk]:
    """The texts, tIME and pHYs of a PNG, in order, up to the first damage of its structure."""
    found = []
    spare = _MAX_BYTES
    file.seek(len(_SIGNATURE))
    for kind, length in _heads(file):
        if kind in _READ and length <= spare:
            data, checksum = file.read(length), file.read(4)
            if checksum == _checksum(kind, data):
                found.append((kind, data))
                spare -= length
        else:
            file.seek(length + 4, 1)
    return found


def _heads(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """(kind, length) of each chunk; the file must stand at the next one's start when asked for more."""
    while len(head := file.read(8)) == 8 and head[4:].isalpha():
        yield head[4:], int.from_bytes(head[:4])
        if head[4:] == b"IEND":
            return


def _checksum(kind: bytes, data: bytes) -> bytes:
    return binascii.crc32(data, binascii.crc32(kind)).to_bytes(4)


def keyword_of(data: bytes) -> bytes:
    """A text chunk's keyword, as the file has it: Latin-1, by the standard."""
    return data.partition(b"\0")[0]


def kept_chunks(chunks: Iterable[Chunk]) -> list[Chunk]:
    """Those of a photograph's chunks that its coloured PNG keeps as they are: texts and the first tIME."""
    kept = [(kind, data) for kind, data in chunks if kind in TEXTS and keyword_of(data) not in _REPLACED]
    return kept + [chunk for chunk in chunks if chunk[0] == b"tIME"][:1]


def xmp_in(chunks: Iterable[Chunk]) -> bytes | None:
    """The XMP packet among the chunks, whichever kind of text holds it, or None."""
    raw = None
    for kind, data in chunks:
        if kind in TEXTS and keyword_of(data) == _XMP_KEYWORD and (text := _text(kind, data)) is not None:
            return text
        if kind in TEXTS and keyword_of(data) == _RAW_XMP_KEYWORD and raw is None:
            raw = _raw_profile(_text(kind, data) or b"")
    return raw


def xmp_chunk(packet: bytes) -> Chunk:
    """The chunk that holds an XMP packet, by its standard: iTXt, not compressed."""
    return b"iTXt", _XMP_KEYWORD + b"\0\0\0\0\0" + packet


def _text(kind: bytes, data: bytes) -> bytes | None:
    """A text chunk's bytes, unpacked; None if damaged or too large."""
    _, _, rest = data.partition(b"\0")
    packed = kind == b"zTXt"
    if kind == b"zTXt":
        rest = rest[1:]
    elif kind == b"iTXt":
        packed = rest[:1] == b"\1"
        rest = rest[2:].partition(b"\0")[2].partition(b"\0")[2]  # behind the language and the translated keyword
    if not packed:
        return rest
    unpacking = zlib.decompressobj()
    try:
        text = unpacking.decompress(rest, _MAX_BYTES)
    except zlib.error:
        return None
    return text if unpacking.eof else None


def _raw_profile(text: bytes) -> bytes | None:
    """ImageMagick's wrapping: its name, the length, hexadecimal digits in lines."""
    words = text.split()
    try:
        return binascii.unhexlify(b"".join(words[2:]))
    except (binascii.Error, ValueError):
        return None


def rewrite(source: Path, target: Path, change: Callable[[Chunk], Chunk | None], added: Iterable[Chunk]) -> None:
    """Copy a PNG: its chunks before the pixels through `change` (None leaves one out), `added` before the pixels.

    Raises OSError.
    """
    with source.open("rb") as file, target.open("wb") as out:
        out.write(file.read(len(_SIGNATURE)))
        for kind, length in _heads(file):
            if kind == b"IDAT":
                for chunk in added:
                    _write(out, chunk)
                file.seek(-8, 1)
                shutil.copyfileobj(file, out, 1 << 20)
                return
            chunk = kind, file.read(length)
            file.seek(4, 1)
            if (changed := change(chunk)) is not None:
                _write(out, changed)


def _write(out: BinaryIO, chunk: Chunk) -> None:
    kind, data = chunk
    out.write(len(data).to_bytes(4) + kind + data + _checksum(kind, data))

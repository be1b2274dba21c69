"""A JPEG's segments before its pixels, and XMP beyond the 64 kB of one of them (Extended XMP, of Adobe's standard)."""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_START_OF_SCAN, _END = 0xDA, 0xD9
_XMP_HEAD = b"http://ns.adobe.com/xap/1.0/\0"
_EXTENSION_HEAD = b"http://ns.adobe.com/xmp/extension/\0"
_GUID_BYTES = 32
_CHUNK_BYTES = 65_400
_MAX_BYTES = 64 << 20  # of an extension


def jpeg_segments(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """(where its data starts, data) of each segment before the pixels."""
    at = 2
    while True:
        file.seek(at)
        head = file.read(4)
        if len(head) < 4 or head[0] != 0xFF or head[1] in (_START_OF_SCAN, _END):
            return
        if head[1] == 0xFF:  # a fill byte
            at += 1
            continue
        size = int.from_bytes(head[2:])
        yield at + 4, file.read(max(0, size - 2))
        at += 2 + size


def guid_of(extension: bytes) -> str:
    """What the main packet calls an extension by."""
    return hashlib.md5(extension, usedforsecurity=False).hexdigest().upper()


def read_extension(source: Path | bytes, guid: bytes) -> bytes | None:
    """The extension of that name in a JPEG; None if it is missing, incomplete or damaged."""
    chunks: dict[int, bytes] = {}
    whole = None
    head = _EXTENSION_HEAD + guid
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        for _, data in jpeg_segments(file):
            if data.startswith(head) and len(data) > len(head) + 8:
                whole = int.from_bytes(data[len(head) : len(head) + 4])
                chunks[int.from_bytes(data[len(head) + 4 : len(head) + 8])] = data[len(head) + 8 :]
    at = 0
    for offset, chunk in sorted(chunks.items()):
        if offset != at or at > _MAX_BYTES:
            return None
        at += len(chunk)
    return b"".join(chunks[offset] for offset in sorted(chunks)) if chunks and at == whole else None


def add_extension(source: Path, target: Path, extension: bytes) -> None:
    """Copy a JPEG with an extension behind its XMP. Raises OSError."""
    head = _EXTENSION_HEAD + guid_of(extension).encode() + len(extension).to_bytes(4)
    with source.open("rb") as file, target.open("wb") as out:
        place = next(at + len(data) for at, data in jpeg_segments(file) if data.startswith(_XMP_HEAD))
        file.seek(0)
        out.write(file.read(place))
        for offset in range(0, len(extension), _CHUNK_BYTES):
            body = head + offset.to_bytes(4) + extension[offset : offset + _CHUNK_BYTES]
            out.write(b"\xff\xe1" + (len(body) + 2).to_bytes(2) + body)
        shutil.copyfileobj(file, out, 1 << 20)

"""XMP in GIF files."""

from __future__ import annotations

import os
from pathlib import Path

# A GIF has no place for XMP that libvips writes. Adobe's: an application extension that holds the packet as it is and
# ends in 258 bytes, so that a reader who takes it for sub-blocks comes out at its end wherever in it he is.
_GIF_XMP = b"\x21\xff\x0bXMP DataXMP"
_GIF_XMP_END = b"\x01" + bytes(range(255, -1, -1)) + b"\x00"
_GIF_TRAILER = b"\x3b"
_GIF_TAIL = 1 << 20  # bytes; how far from a GIF's end its packet is looked for


def add_gif_xmp(path: Path, packet: bytes) -> None:
    """Put an XMP packet at the end of a GIF file."""
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        if file.read(1) != _GIF_TRAILER:
            raise ValueError(f"{path}: does not end as a GIF")
        file.seek(-1, os.SEEK_END)
        file.write(_GIF_XMP + packet + _GIF_XMP_END + _GIF_TRAILER)


def gif_xmp(path: Path) -> bytes | None:
    """The packet at the end of a GIF file, or None."""
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _GIF_TAIL))
        tail = file.read()
    start, end = tail.rfind(_GIF_XMP), tail.rfind(_GIF_XMP_END)
    return tail[start + len(_GIF_XMP) : end] if 0 <= start < end else None

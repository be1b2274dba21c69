"""Whether a photograph states how many pixels an inch has; one that does not must not get libvips' default of 72."""

from __future__ import annotations

import io
import mmap
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from .exif import read_exif
from .jpeg_segments import jpeg_segments
from .tiff.file import SHORT, Directory, TiffFile, in_byte_order

if TYPE_CHECKING:
    from .reading import Photo

X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 282, 283, 296
_TAGS = (X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT)
_NO_UNIT = 1
_INCH = 2  # the unit where none is named
_EXIF_HEAD = b"Exif\0\0"
_JFIF_UNIT = 7  # where it stands in the segment, behind "JFIF\0" and the version; width and height follow


def states_resolution(photo: Photo, page: int = 0) -> bool:
    """Whether the page says how large its pixels are, not only how wide compared to their height."""
    if photo.tiff_pages:
        return _in_directory(photo.tiff_pages[page], photo.tiff_order)
    if photo.format == "tiff":
        return True  # its directories are damaged: libvips' reading stands
    if photo.header.get_typeof("exif-data"):
        directory, order = read_exif(bytes(photo.header.get("exif-data")))
        if directory is not None and _in_directory(directory, order):
            return True
    if photo.format == "png":
        return any(kind == b"pHYs" and data[8:9] == b"\1" for kind, data in photo.png_chunks)
    if photo.format == "jpg":
        return _jfif_states(photo.source)
    return False


def _in_directory(directory: Directory, order: str) -> bool:
    stated = X_RESOLUTION in directory.entries
    return stated and directory.number(RESOLUTION_UNIT, order, _INCH) != _NO_UNIT


def _jfif_states(source: Path | bytes) -> bool:
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        for _, data in jpeg_segments(file):
            if data.startswith(b"JFIF\0"):
                return data[_JFIF_UNIT : _JFIF_UNIT + 1] in (b"\1", b"\2")
    return False


def erase_resolution(path: Path, format: str) -> None:
    """Take libvips' default out of a JPEG, WebP or AVIF that it has written. Raises OSError."""
    with path.open("r+b") as file:
        if format == "jpg":
            for at, data in list(jpeg_segments(file)):
                if data.startswith(b"JFIF\0"):
                    file.seek(at + _JFIF_UNIT)
                    file.write(struct.pack(">BHH", 0, 1, 1))  # square pixels of no known size
                elif data.startswith(_EXIF_HEAD):
                    file.seek(at)
                    file.write(exif_without_resolution(data))
        elif format in ("webp", "avif"):
            with mmap.mmap(file.fileno(), 0) as content:
                _erase_exif(content)


def _erase_exif(content: mmap.mmap) -> None:
    """Of a file that holds its EXIF in one piece somewhere."""
    for order in (b"II*\0", b"MM\0*"):
        at = content.find(_EXIF_HEAD + order)
        if at < 0 and content[8:12] == b"WEBP":  # the head is not needed there
            chunk = content.rfind(b"EXIF")
            at = chunk + 8 if chunk > 0 and content[chunk + 8 : chunk + 12] == order else -1
        if at >= 0:
            block = bytes(content[at : at + 65_536])
            content[at : at + len(block)] = exif_without_resolution(block)
            return


def exif_without_resolution(exif: bytes) -> bytes:
    """The same EXIF, as long as before, without the tags of the resolution; damaged EXIF as it is."""
    start = len(_EXIF_HEAD) if exif.startswith(_EXIF_HEAD) else 0
    order = "<" if exif[start : start + 2] == b"II" else ">"
    try:
        at = start + struct.unpack_from(order + "L", exif, start + 4)[0]
        (count,) = struct.unpack_from(order + "H", exif, at)
        end = at + 2 + 12 * count + 4
        entries = [exif[at + 2 + 12 * k : at + 14 + 12 * k] for k in range(count)]
        kept = [entry for entry in entries if struct.unpack(order + "H", entry[:2])[0] not in _TAGS]
    except struct.error:
        return exif
    if end > len(exif):
        return exif
    block = struct.pack(order + "H", len(kept)) + b"".join(kept) + exif[end - 4 : end]
    return exif[:at] + block.ljust(end - at, b"\0") + exif[end:]


def erase_tiff_resolution(path: Path, source: Directory | None, order: str) -> None:
    """Make a TIFF's first page state no unit: only the pixels' proportions, where `source` has them.

    source: the photograph's own directory, in byte order `order`, or None. Raises TiffError, OSError.
    """
    with path.open("r+b") as file:
        tiff = TiffFile(file)
        page = tiff.first()
        own = {} if source is None else in_byte_order(source, order, tiff.order).entries
        proportions = {tag: own[tag] for tag in (X_RESOLUTION, Y_RESOLUTION) if tag in own}
        for tag in _TAGS:
            page.entries.pop(tag, None)
        if len(proportions) == 2:
            page.entries |= proportions
        page.entries[RESOLUTION_UNIT] = (SHORT, 1, struct.pack(tiff.order + "H", _NO_UNIT))
        tiff.replace_first(page)

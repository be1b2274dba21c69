"""EXIF between formats: libvips keeps it in JPEG, PNG, WebP and AVIF, but loses it from TIFF and to TIFF.

EXIF is itself a small TIFF, so both ways are a matter of copying directories.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pyvips

from .photoshop_resources import iptc_in
from .tiff.file import IPTC, LONG, SOFTWARE, UNDEFINED, Directory, TiffError, TiffFile, in_byte_order

_EXIF_HEAD = b"Exif\0\0"
_IPTC_MARK = b"\x1c"
_APP1_BYTES = 65_533  # what one JPEG segment holds
_SUBFILE_TYPE = 254
_IMAGE_RESOURCES = 34377  # Photoshop's
# ColorSpace, PixelXDimension, PixelYDimension, InteroperabilityIndex's directory, Gamma: true of the old pixels only.
_OF_OLD_PIXELS = frozenset({40961, 40962, 40963, 40965, 42240})

# What describes a photograph, of a TIFF's tags; the others describe how its samples are stored.
_DESCRIPTIVE = frozenset(
    {
        269, 270, 271, 272, 285, 297,  # DocumentName, ImageDescription, Make, Model, PageName, PageNumber
        306, 315, 316, 33432,  # DateTime, Artist, HostComputer, Copyright
        18246, 18249, 40091, 40092, 40093, 40094, 40095,  # ratings; title, comment, author, keywords, subject
        33550, 33922, 34264, 34735, 34736, 34737,  # GeoTIFF
    }
)  # fmt: skip


def read_tiff(source: Path | bytes) -> tuple[list[Directory], str]:
    """All pages' directories of a TIFF file or its content, and their byte order; none where they are damaged."""
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
            tiff = TiffFile(file)
            return tiff.directories(), tiff.order
    except (TiffError, OSError):
        return [], "<"


def read_exif(blob: bytes) -> tuple[Directory | None, str]:
    """The directory in an EXIF blob and its byte order; None if it is damaged."""
    try:
        tiff = TiffFile(io.BytesIO(blob.removeprefix(_EXIF_HEAD)))
        return tiff.first(), tiff.order
    except TiffError:
        return None, "<"


def descriptive(directory: Directory) -> Directory:
    """What describes the photograph: of the main tags those on the list, of EXIF and GPS everything."""
    children = {
        tag: Directory(
            {k: v for k, v in child.entries.items() if k not in _OF_OLD_PIXELS},
            {k: v for k, v in child.children.items() if k not in _OF_OLD_PIXELS},
        )
        for tag, child in directory.children.items()
    }
    return Directory({tag: v for tag, v in directory.entries.items() if tag in _DESCRIPTIVE}, children)


def exif_header(directory: Directory, order: str) -> pyvips.Image | None:
    """An image whose libvips fields are this directory's EXIF, or None if there is none or too much for libvips.

    libvips writes only the EXIF that it has read itself, so it gets to read it, from the smallest of JPEGs.
    """
    wanted = descriptive(directory)
    if not wanted.entries and not wanted.children:
        return None
    blob = _EXIF_HEAD + exif_bytes(wanted, order)
    if len(blob) > _APP1_BYTES:
        return None
    tiny = bytes(pyvips.Image.black(8, 8).jpegsave_buffer(keep="none"))
    jpeg = tiny[:2] + b"\xff\xe1" + struct.pack(">H", len(blob) + 2) + blob + tiny[2:]
    return pyvips.Image.jpegload_buffer(jpeg)


def exif_bytes(directory: Directory, order: str) -> bytes:
    """A directory as a TIFF of its own, in byte order "<" or ">"."""
    mark = b"II" if order == "<" else b"MM"
    file = io.BytesIO(mark + struct.pack(order + "HLHL", 42, 8, 0, 0))
    tiff = TiffFile(file)
    tiff.replace_first(directory)
    return file.getvalue()


def completed_exif(written: bytes, source: Directory | None, order: str) -> bytes:
    """EXIF as libvips wrote it, with the main tags of `source` that it does not know (Rating, HostComputer)."""
    directory, own_order = read_exif(written)
    if directory is None or source is None:
        return written
    described = in_byte_order(descriptive(source), order, own_order).entries
    missing = {tag: entry for tag, entry in described.items() if tag not in directory.entries}
    if not missing:
        return written
    directory.entries |= missing
    return exif_bytes(directory, own_order)


def tiff_iptc(directory: Directory) -> bytes | None:
    """The IPTC block among a page's tags, or among Photoshop's resources in one of them, or None."""
    kind, _, value = directory.entries.get(IPTC, (0, 0, b""))
    if kind == LONG and not value.startswith(_IPTC_MARK):  # written as numbers, on a machine of the other byte order
        value = b"".join(value[i : i + 4][::-1] for i in range(0, len(value), 4))
    if value.startswith(_IPTC_MARK):
        return value
    _, _, resources = directory.entries.get(_IMAGE_RESOURCES, (0, 0, b""))
    return iptc_in(resources)


def complete_tiff(path: Path, source: Directory | None, order: str, software: str, iptc: bytes | None) -> None:
    """Give the first page of a TIFF the Software tag, IPTC and what describes `source` (values in byte order `order`).

    Raises TiffError, OSError.
    """
    with path.open("r+b") as file:
        tiff = TiffFile(file)
        page = tiff.first()
        if source is not None:
            carried = in_byte_order(descriptive(source), order, tiff.order)
            if _SUBFILE_TYPE in source.entries:  # a page's part in its file; not of EXIF, which has its own directories
                page.entries[_SUBFILE_TYPE] = in_byte_order(source, order, tiff.order).entries[_SUBFILE_TYPE]
            page.entries = carried.entries | page.entries
            page.children = carried.children | page.children
        page.set_text(SOFTWARE, software)
        if iptc is not None:
            page.entries[IPTC] = (UNDEFINED, len(iptc), iptc)
        tiff.replace_first(page)

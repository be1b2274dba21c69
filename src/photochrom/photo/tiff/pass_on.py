"""Pages of a TIFF that are not coloured (masks, reduced copies): copied into the new file at their old places.

Their stored strips or tiles are copied byte for byte, so whatever they are compressed with, their samples stay.
"""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from .file import COMPRESSION, Directory, TiffError, TiffFile, in_byte_order

if TYPE_CHECKING:
    from ..reading import Photo

_OFFSETS_TO_COUNTS = {273: 279, 324: 325}  # of strips, of tiles
_BITS, _NONE, _DEFLATE = 258, 1, (8, 32946)
_LONG, _LONG8 = 4, 16


def passed_on_note(photo: Photo, has_pages: bool) -> str:
    """What becomes of the pages that are not coloured, for a person to read."""
    lost = [number for number in photo.passed_on if not has_pages or not _can_copy(photo, number)]
    kept = [number for number in photo.passed_on if number not in lost]
    notes = []
    if kept:
        notes.append(f"masks and reduced copies were passed on uncoloured (page {_listed(kept)})")
    if lost:
        notes.append(f"masks and reduced copies were left out (page {_listed(lost)})")
    return "; ".join(notes)


def _listed(numbers: list[int]) -> str:
    return ", ".join(str(number + 1) for number in numbers)


def pass_on(photo: Photo, after: int | None, before: int | None, target: Path) -> None:
    """Copy the uncoloured pages between two of the file's pages to the end of `target`; with after None, to its front.

    after, before: pages' numbers in the file. Raises TiffError, OSError.
    """
    low, high = -1 if after is None else after, len(photo.tiff_directories) if before is None else before
    numbers = [n for n in photo.passed_on if low < n < high and _can_copy(photo, n)]
    if not numbers:
        return
    source = io.BytesIO(photo.source) if isinstance(photo.source, bytes) else photo.source.open("rb")
    with source, target.open("r+b") as file:
        whole = TiffFile(file)
        for number in reversed(numbers) if after is None else numbers:
            page = _copied(photo, number, source, whole, file)
            (whole.insert_page if after is None else whole.append_page)(page)


def _swaps(photo: Photo, number: int) -> bool:
    """Whether the samples' bytes must change places: libvips writes this machine's byte order."""
    wide = max(photo.tiff_directories[number].numbers(_BITS, photo.tiff_order), default=1) > 8
    return wide and photo.tiff_order != _MACHINE


_MACHINE = "<" if struct.pack("=H", 1) == b"\1\0" else ">"


def _can_copy(photo: Photo, number: int) -> bool:
    """Whether all of the page's samples are in the file, and in an order of bytes that can be kept or changed."""
    page, order = photo.tiff_directories[number], photo.tiff_order
    if _swaps(photo, number):
        depth = set(page.numbers(_BITS, order))
        if page.number(COMPRESSION, order, _NONE) not in (_NONE, *_DEFLATE) or depth != {16}:
            return False
    for tag, counts in _OFFSETS_TO_COUNTS.items():
        places, sizes = page.numbers(tag, order), page.numbers(counts, order)
        if places and len(places) == len(sizes):
            # Strips that overlap would let a small file fill the disk.
            inside = all(at + size <= photo.tiff_length for at, size in zip(places, sizes, strict=True))
            return inside and sum(sizes) <= photo.tiff_length
    return False


def _copied(photo: Photo, number: int, source: BinaryIO, whole: TiffFile, file: BinaryIO) -> Directory:
    """The page's directory for the file `whole`, its strips or tiles written to the end of it."""
    original, order = photo.tiff_directories[number], photo.tiff_order
    page = in_byte_order(original, order, whole.order)
    page = Directory(dict(page.entries), page.children)  # its own: the original stays as it was read
    deflated = original.number(COMPRESSION, order, _NONE) in _DEFLATE
    for tag, counts in _OFFSETS_TO_COUNTS.items():
        places: list[int] = []
        sizes: list[int] = []
        for at, size in zip(original.numbers(tag, order), original.numbers(counts, order), strict=False):
            source.seek(at)
            data = source.read(size)
            if _swaps(photo, number):
                data = _swapped(data, deflated, number)
            file.seek(0, 2)
            places.append(file.tell())
            sizes.append(len(data))
            file.write(data)
        if places:
            page.entries[tag] = _numbers(places, whole)
            page.entries[counts] = _numbers(sizes, whole)
    return page


def _numbers(values: list[int], whole: TiffFile) -> tuple[int, int, bytes]:
    kind, letter = (_LONG8, "Q") if whole.big else (_LONG, "L")
    try:
        return kind, len(values), struct.pack(f"{whole.order}{len(values)}{letter}", *values)
    except struct.error as error:
        raise TiffError("more than 4 GB in a classic TIFF") from error


def _swapped(data: bytes, deflated: bool, number: int) -> bytes:
    """16-bit samples in the other byte order. Deflate's predictor works on numbers, not bytes, and so stays right."""
    try:
        samples = bytearray(zlib.decompress(data) if deflated else data)
    except zlib.error as error:
        raise TiffError(f"page {number + 1} of the original is damaged") from error
    even = len(samples) // 2 * 2
    samples[0:even:2], samples[1:even:2] = samples[1:even:2], samples[0:even:2]
    return zlib.compress(bytes(samples)) if deflated else bytes(samples)

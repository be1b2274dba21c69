"""TIFF directories, classic and BigTIFF: read, changed, and written again by appending.

For what libvips does not do: keeping EXIF, writing Software, joining pages of unequal size in one file. Samples are
never touched: a directory is rewritten at the end of the file and the pointer to it moved. What is damaged in a file
costs no more than itself: a tag whose value cannot be there is left out, and a chain of pages ends where it breaks.
"""

from __future__ import annotations

import shutil
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

SOFTWARE, COMPRESSION, IPTC = 305, 259, 33723
EXIF_IFD, GPS_IFD, INTEROPERABILITY_IFD = 34665, 34853, 40965
ASCII, SHORT, LONG, UNDEFINED, LONG8 = 2, 3, 4, 7, 16

_EXIF_IFDS = (EXIF_IFD, GPS_IFD, INTEROPERABILITY_IFD)
_SAMPLE_OFFSETS = (273, 324)  # StripOffsets, TileOffsets
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_INTEGERS = {1: "B", SHORT: "H", LONG: "L", 6: "b", 8: "h", 9: "l", 13: "L", LONG8: "Q", 17: "q", 18: "Q"}
_ITEM_BYTES = {5: 4, 10: 4}  # rationals are pairs
_SUB_IFDS, _IMAGE_SOURCE_DATA = 330, 37724  # the latter: Photoshop's layers, often larger than the photograph
_MAX_VALUE_BYTES = 64_000_000  # of one tag: more is damage, not a photograph
_MAX_SUB_IFDS = 32  # of one page: a pyramid has some ten
_MAX_DIRECTORIES = 100_000


class TiffError(ValueError):
    """The directories are damaged."""


@dataclass
class Directory:
    """One directory: tag -> (type, count, value's bytes in the file's byte order), and its EXIF directories by tag.

    images: the directories of tag SubIFDs: a pyramid's levels, or what a camera recorded. lost: the tags left out
    because they are damaged. places: tag -> where in the file its entry holds the value (or the offset of it).
    """

    entries: dict[int, tuple[int, int, bytes]] = field(default_factory=dict)
    children: dict[int, Directory] = field(default_factory=dict)
    images: list[Directory] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    places: dict[int, int] = field(default_factory=dict)

    def numbers(self, tag: int, order: str) -> tuple[int, ...]:
        """A tag's whole numbers, the file being in byte order "<" or ">"; none if it is missing or of another type."""
        kind, number, value = self.entries.get(tag, (0, 0, b""))
        if kind not in _INTEGERS:
            return ()
        return struct.unpack(f"{order}{number}{_INTEGERS[kind]}", value)

    def number(self, tag: int, order: str, default: int = 0) -> int:
        """The first of a tag's whole numbers."""
        return next(iter(self.numbers(tag, order)), default)

    def text(self, tag: int) -> str | None:
        """The text of an ASCII tag, or None."""
        entry = self.entries.get(tag)
        if entry is None or entry[0] != ASCII:
            return None
        return entry[2].split(b"\0")[0].decode("utf-8", "replace")

    def set_text(self, tag: int, text: str) -> None:
        data = text.encode("utf-8") + b"\0"
        self.entries[tag] = (ASCII, len(data), data)


class TiffFile:
    """The structure of an open TIFF: byte order, classic or BigTIFF, and the reading and writing of directories."""

    def __init__(self, file: BinaryIO) -> None:
        """Raises TiffError if this is no TIFF."""
        self._file = file
        file.seek(0)
        head = file.read(8)
        self.order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
        version = struct.unpack(self.order + "H", head[2:4])[0] if self.order and len(head) == 8 else 0
        if version not in (42, 43):
            raise TiffError("no TIFF header")
        self.big = version == 43
        # Of an offset and of a value inside an entry; of the number of entries; of an entry.
        self._offset, self._size = (self.order + "Q", 8) if self.big else (self.order + "L", 4)
        self._count, self._count_size = (self.order + "Q", 8) if self.big else (self.order + "H", 2)
        self._entry_size = 20 if self.big else 12
        self._first_at = 8 if self.big else 4
        # Values may overlap, so that a small file could claim the memory many times over.
        self._spare = 2 * self.length + 1_000_000

    @property
    def length(self) -> int:
        """The file's size in bytes."""
        return self._file.seek(0, 2)

    def directories(self) -> list[Directory]:
        """The pages' directories, in order, up to a damaged one. Raises TiffError if the first is."""
        found: list[Directory] = []
        for position in self._positions():
            try:
                found.append(self._read(position))
            except TiffError:
                if not found:
                    raise
                break
        return found

    def first(self) -> Directory:
        """The first page's directory. Raises TiffError."""
        return self._read(self._unpack_at(self._offset, self._first_at))

    def _positions(self) -> list[int]:
        """Where the pages' directories stand. A chain that is broken or runs in a circle ends there."""
        positions: dict[int, None] = {}
        position = self._unpack_at(self._offset, self._first_at)
        while position and position not in positions and len(positions) < _MAX_DIRECTORIES:
            positions[position] = None
            try:
                position = self._unpack_at(self._offset, self._link_of(position))
            except TiffError:
                break
        return list(positions)

    def _link_of(self, position: int) -> int:
        """Where the pointer to the next directory stands."""
        count = self._unpack_at(self._count, position)
        return position + self._count_size + count * self._entry_size

    def _unpack_at(self, form: str, position: int) -> int:
        data = self._bytes_at(position, struct.calcsize(form))
        return int(struct.unpack(form, data)[0])

    def _bytes_at(self, position: int, size: int) -> bytes:
        if size > _MAX_VALUE_BYTES:
            raise TiffError("a tag of impossible size")
        if position + size > self.length:
            raise TiffError("cut short")
        self._file.seek(position)
        return self._file.read(size)

    def _read(self, position: int, depth: int = 0) -> Directory:
        count = self._unpack_at(self._count, position)
        start = position + self._count_size
        data = self._bytes_at(start, count * self._entry_size)
        directory = Directory()
        for k in range(count):
            entry = data[k * self._entry_size : (k + 1) * self._entry_size]
            tag, kind = struct.unpack(self.order + "HH", entry[:4])
            if kind not in _TYPE_BYTES or tag == _IMAGE_SOURCE_DATA:
                continue  # a reader must skip what it does not know
            try:
                self._read_entry(directory, tag, kind, entry, depth)
            except TiffError:
                directory.lost.append(tag)
            directory.places.setdefault(tag, start + (k + 1) * self._entry_size - self._size)
        return directory

    def _read_entry(self, directory: Directory, tag: int, kind: int, entry: bytes, depth: int) -> None:
        number = int(struct.unpack(self._offset, entry[4 : 4 + self._size])[0])
        size = number * _TYPE_BYTES[kind]
        value = entry[4 + self._size :]
        if size > self._size:
            if size > self._spare:
                raise TiffError("a tag of impossible size")
            value = self._bytes_at(struct.unpack(self._offset, value)[0], size)
            self._spare -= size
        value = value[:size]
        if tag in _EXIF_IFDS and depth < 3 and number == 1:
            target = struct.unpack(self.order + _letter(kind), value)[0]
            directory.children[tag] = self._read(target, depth + 1)
        elif tag == _SUB_IFDS and depth == 0:
            targets = struct.unpack(f"{self.order}{number}{_letter(kind)}", value)
            directory.images = [self._read(target, 2) for target in targets[:_MAX_SUB_IFDS]]
        elif tag not in directory.entries:
            directory.entries[tag] = (kind, number, value)

    def replace_first(self, directory: Directory) -> None:
        """Write `directory` in place of the first; the others stay. The file must be open for update."""
        after = self._unpack_at(self._offset, self._link_of(self._unpack_at(self._offset, self._first_at)))
        position = self._append(directory, after)
        self._write_at(self._first_at, struct.pack(self._offset, position))

    def insert_page(self, directory: Directory) -> None:
        """Write `directory` before the first one. Its samples must be in this file already."""
        position = self._append(directory, self._unpack_at(self._offset, self._first_at))
        self._write_at(self._first_at, struct.pack(self._offset, position))

    def append_page(self, directory: Directory) -> None:
        """Write `directory` after the last one. Its samples must be in this file already."""
        last = self._positions()[-1]
        position = self._append(directory, 0)
        self._write_at(self._link_of(last), struct.pack(self._offset, position))

    def _write_at(self, position: int, data: bytes) -> None:
        self._file.seek(position)
        self._file.write(data)

    def _end(self) -> int:
        """The file's end, made even: TIFF's directories and values start on words."""
        end = self._file.seek(0, 2)
        if end % 2:
            self._file.write(b"\0")
        return end + end % 2

    def _append(self, directory: Directory, following: int) -> int:
        """Write a directory, its values and its children at the end; returns its position."""
        narrowed = {tag: self.narrowed(entry) for tag, entry in directory.entries.items()}
        entries = {tag: entry for tag, entry in narrowed.items() if entry is not None}
        for tag, child in directory.children.items():
            kind = LONG8 if self.big else LONG
            entries[tag] = (kind, 1, struct.pack(self.order + _letter(kind), self._append(child, 0)))
        block = struct.pack(self._count, len(entries))
        for tag, (kind, number, value) in sorted(entries.items()):
            if len(value) > self._size:
                position = self._end()
                self._file.write(value)
                value = self._offset_bytes(position)
            block += struct.pack(self.order + "HH", tag, kind) + struct.pack(self._offset, number)
            block += value.ljust(self._size, b"\0")
        position = self._end()
        self._file.write(block + self._offset_bytes(following))
        return position

    def narrowed(self, entry: tuple[int, int, bytes]) -> tuple[int, int, bytes] | None:
        """An entry (in this file's byte order) as this file can hold it: 64-bit numbers are BigTIFF's alone.

        None where they do not fit.
        """
        kind, number, value = entry
        if self.big or kind not in (LONG8, 17, 18):
            return entry
        try:
            values = struct.unpack(f"{self.order}{number}{_INTEGERS[kind]}", value)
            narrow = {LONG8: LONG, 17: 9, 18: 13}[kind]
            return narrow, number, struct.pack(f"{self.order}{number}{_INTEGERS[narrow]}", *values)
        except struct.error:
            return None

    def _offset_bytes(self, position: int) -> bytes:
        try:
            return struct.pack(self._offset, position)
        except struct.error as error:
            raise TiffError("more than 4 GB in a classic TIFF") from error

    def append_samples(self, other: TiffFile, directory: Directory) -> Directory:
        """Copy all of another file of the same kind to the end of this; returns `directory`, its offsets moved."""
        if (other.order, other.big) != (self.order, self.big):
            raise TiffError("pages of different kinds of TIFF")
        start = self._end()
        other._file.seek(0)
        shutil.copyfileobj(other._file, self._file, 1 << 20)
        moved = Directory(dict(directory.entries), dict(directory.children))
        for tag in _SAMPLE_OFFSETS:
            if tag in moved.entries:
                kind, number, value = moved.entries[tag]
                offsets = struct.unpack(f"{self.order}{number}{_letter(kind)}", value)
                form = self._offset[-1]
                packed = struct.pack(f"{self.order}{number}{form}", *(start + offset for offset in offsets))
                moved.entries[tag] = (LONG8 if self.big else LONG, number, packed)
        return moved


def _letter(kind: int) -> str:
    letters = {SHORT: "H", LONG: "L", 13: "L", LONG8: "Q", 18: "Q"}
    if kind not in letters:
        raise TiffError(f"an offset of type {kind}")
    return letters[kind]


def in_byte_order(directory: Directory, source: str, target: str) -> Directory:
    """The same directory with its values turned from one byte order ("<" or ">") to the other."""
    if source == target:
        return directory
    entries = {}
    for tag, (kind, number, value) in directory.entries.items():
        item = _ITEM_BYTES.get(kind, _TYPE_BYTES[kind])
        swapped = value if item == 1 else b"".join(value[i : i + item][::-1] for i in range(0, len(value), item))
        entries[tag] = (kind, number, swapped)
    children = {tag: in_byte_order(child, source, target) for tag, child in directory.children.items()}
    return Directory(entries, children)


def read_directories(path: Path) -> tuple[list[Directory], str]:
    """A file's directories and its byte order. Raises TiffError."""
    with path.open("rb") as file:
        tiff = TiffFile(file)
        return tiff.directories(), tiff.order


def join_pages(target: Path, pages: Iterable[Path]) -> None:
    """Append each file's first directory and its samples to `target` as further pages. Raises TiffError, OSError."""
    with target.open("r+b") as file:
        whole = TiffFile(file)
        for page in pages:
            with page.open("rb") as other_file:
                other = TiffFile(other_file)
                whole.append_page(whole.append_samples(other, other.first()))

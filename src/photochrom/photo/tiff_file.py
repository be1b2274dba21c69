"""TIFF directories, classic and BigTIFF: read, changed, and written again by appending.

For what libvips does not do: keeping EXIF, writing Software, joining pages of unequal size in one file. Samples are
never touched: a directory is rewritten at the end of the file and the pointer to it moved.
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

_SUB_IFDS = (EXIF_IFD, GPS_IFD, INTEROPERABILITY_IFD)
_SAMPLE_OFFSETS = (273, 324)  # StripOffsets, TileOffsets
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_ITEM_BYTES = {5: 4, 10: 4}  # rationals are pairs
_MAX_VALUE_BYTES = 64_000_000  # of one tag: more is damage, not a photograph
_MAX_DIRECTORIES = 100_000


class TiffError(ValueError):
    """The directories are damaged."""


@dataclass
class Directory:
    """One directory: tag -> (type, count, value's bytes in the file's byte order), and its sub-directories by tag."""

    entries: dict[int, tuple[int, int, bytes]] = field(default_factory=dict)
    children: dict[int, Directory] = field(default_factory=dict)

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

    def directories(self) -> list[Directory]:
        """The pages' directories, in order. Raises TiffError where they are damaged."""
        return [self._read(position)[0] for position in self._positions()]

    def first(self) -> Directory:
        """The first page's directory. Raises TiffError."""
        return self._read(self._unpack_at(self._offset, self._first_at))[0]

    def _positions(self) -> list[int]:
        positions: list[int] = []
        position = self._unpack_at(self._offset, self._first_at)
        while position:
            if position in positions or len(positions) >= _MAX_DIRECTORIES:
                raise TiffError("its directories run in a circle")
            positions.append(position)
            position = self._unpack_at(self._offset, self._link_of(position))
        return positions

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
        self._file.seek(position)
        data = self._file.read(size)
        if len(data) != size:
            raise TiffError("cut short")
        return data

    def _read(self, position: int, depth: int = 0) -> tuple[Directory, int]:
        count = self._unpack_at(self._count, position)
        data = self._bytes_at(position + self._count_size, count * self._entry_size)
        directory = Directory()
        for k in range(count):
            entry = data[k * self._entry_size : (k + 1) * self._entry_size]
            tag, kind = struct.unpack(self.order + "HH", entry[:4])
            number = int(struct.unpack(self._offset, entry[4 : 4 + self._size])[0])
            if kind not in _TYPE_BYTES:
                continue  # a reader must skip what it does not know
            size = number * _TYPE_BYTES[kind]
            value = entry[4 + self._size :]
            if size > self._size:
                value = self._bytes_at(struct.unpack(self._offset, value)[0], size)
            if tag in _SUB_IFDS and depth < 3 and number == 1:
                target = struct.unpack(self.order + _letter(kind), value[:size])[0]
                directory.children[tag] = self._read(target, depth + 1)[0]
            else:
                directory.entries[tag] = (kind, number, value[:size])
        return directory, position

    def replace_first(self, directory: Directory) -> None:
        """Write `directory` in place of the first; the others stay. The file must be open for update."""
        after = self._unpack_at(self._offset, self._link_of(self._unpack_at(self._offset, self._first_at)))
        position = self._append(directory, after)
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
        entries = dict(directory.entries)
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

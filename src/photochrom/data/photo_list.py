"""The list of a data set's photographs, as arrays: some 80 bytes each, about 100 MB for ImageNet's 1.3 million.

A photograph lies in a source (a folder, a tar, a Parquet file) at an offset. Where it can only be had together with
its neighbours (a row group, a stretch of a tar behind a network), it belongs to a block, which is read as a whole.
"""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from . import block_cache

HELD_OUT = 64  # one photograph in so many is kept from training, chosen by the hash of its key
NO_BLOCK = -1


class Source(Protocol):
    """Where photographs come from. Offsets and lengths mean what the source says."""

    @property
    def name(self) -> str: ...

    def read(self, key: str, offset: int, length: int) -> bytes:
        """One photograph, of a source without blocks. Raises OSError, or DataError if the source as a whole fails."""
        ...

    def load(self, start: int, stop: int) -> Any:
        """One block. Raises DataError where it cannot be had."""
        ...

    def pick(self, block: Any, offset: int, length: int) -> bytes:
        """One photograph of a loaded block. Raises OSError where its place is empty."""
        ...


@dataclass(frozen=True, slots=True)
class Block:
    """`start`..`stop` of the source with index `source`: bytes of a tar, or row groups; size: bytes in memory."""

    source: int
    start: int
    stop: int
    size: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One photograph. key: its name in the data set, unique and lasting; length: bytes, -1 where not known."""

    key: str
    source: Source
    offset: int = 0
    length: int = -1
    block: Block | None = None

    def read(self) -> bytes:
        """The photograph's bytes, still encoded. Raises OSError, or DataError if the source as a whole fails."""
        if self.block is None:
            return self.source.read(self.key, self.offset, self.length)
        loaded = block_cache.get(self.source, self.block.start, self.block.stop)
        return self.source.pick(loaded, self.offset, self.length)

    @property
    def held_out(self) -> bool:
        """Whether it is held out for validation; a function of the key alone, so it never changes."""
        return _is_held_out(os.fsencode(self.key))


def _is_held_out(key: bytes) -> bool:
    return int.from_bytes(hashlib.sha256(key).digest()[:4]) % HELD_OUT == 0


class PhotoList(Sequence[Entry]):
    """All or some photographs of a data set, in the order of their sources.

    damage: what of the data could not be read, a sentence each. block_sizes: [blocks] bytes; block_of: [n] the index
    of each photograph's block, rising, or None where every photograph can be read by itself.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        columns: dict[str, NDArray[np.int64]],
        keys: bytes,
        blocks: Sequence[Block] = (),
        damage: Sequence[str] = (),
    ) -> None:
        self.sources, self.blocks, self.damage = list(sources), list(blocks), list(damage)
        self._columns, self._keys = columns, keys

    def __len__(self) -> int:
        return len(self._columns["source"])

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> PhotoList: ...
    def __getitem__(self, index: int | slice) -> Entry | PhotoList:
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        source, start, stop, offset, length, block = (int(self._columns[name][index]) for name in _COLUMNS)
        return Entry(
            os.fsdecode(self._keys[start:stop]),
            self.sources[source],
            offset,
            length,
            None if block == NO_BLOCK else self.blocks[block],
        )

    def __iter__(self) -> Iterator[Entry]:
        return (self[i] for i in range(len(self)))

    def take(self, indices: NDArray[Any]) -> PhotoList:
        """The photographs at these indices, or where a mask [n] is true; the keys' text is shared, not copied."""
        columns = {name: values[indices] for name, values in self._columns.items()}
        return PhotoList(self.sources, columns, self._keys, self.blocks, self.damage)

    def split(self) -> tuple[PhotoList, PhotoList]:
        """(for training, held out): one photograph in 64 is held out, by the hash of its key alone."""
        held_out = np.fromiter((_is_held_out(key) for key in self.raw_keys()), bool, len(self))
        return self.take(~held_out), self.take(held_out)

    def raw_keys(self) -> Iterator[bytes]:
        """The keys as bytes (file names need not be UTF-8)."""
        for start, stop in zip(self._columns["start"], self._columns["stop"], strict=True):
            yield self._keys[start:stop]

    @property
    def block_of(self) -> NDArray[np.int64] | None:
        return self._columns["block"] if self.blocks else None

    @property
    def block_sizes(self) -> NDArray[np.int64]:
        return np.array([block.size for block in self.blocks], dtype=np.int64)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """[n] bytes of each photograph; -1 where not known."""
        return self._columns["length"]

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> PhotoList:
        """A list of these entries, in their order."""
        if isinstance(entries, PhotoList):
            return entries
        builder = Builder()
        sources: dict[int, int] = {}
        blocks: dict[tuple[int, int], int] = {}
        for entry in entries:
            source = sources.setdefault(id(entry.source), len(sources))
            if source == len(builder.sources):
                builder.sources.append(entry.source)
            number = NO_BLOCK
            if entry.block is not None:
                number = blocks.setdefault((source, entry.block.start), len(blocks))
                if number == len(builder.blocks):
                    builder.blocks.append(Block(source, entry.block.start, entry.block.stop, entry.block.size))
            builder.add(entry.key, source, entry.offset, entry.length, number)
        return builder.build()


_COLUMNS = ("source", "start", "stop", "offset", "length", "block")


class Builder:
    """Gathers a PhotoList photograph by photograph without making an object of each."""

    def __init__(self) -> None:
        self.sources: list[Source] = []
        self.blocks: list[Block] = []
        self.damage: list[str] = []
        self._columns = {name: array("q") for name in _COLUMNS}
        self._keys = bytearray()

    def add(self, key: str, source: int, offset: int = 0, length: int = -1, block: int = NO_BLOCK) -> None:
        """One photograph of the source with this index, in the block with this index."""
        start = len(self._keys)
        self._keys += os.fsencode(key)
        for name, value in zip(_COLUMNS, (source, start, len(self._keys), offset, length, block), strict=True):
            self._columns[name].append(value)

    def __len__(self) -> int:
        return len(self._columns["source"])

    def build(self) -> PhotoList:
        columns = {name: np.frombuffer(values, dtype=np.int64) for name, values in self._columns.items() if values}
        columns = columns or {name: np.zeros(0, np.int64) for name in _COLUMNS}
        return PhotoList(self.sources, columns, bytes(self._keys), self.blocks, self.damage)


def fingerprint(entries: Iterable[Entry]) -> str:
    """sha256 over keys and lengths (of blocks: their sizes): tells whether two runs saw the same data."""
    photos = PhotoList.of(entries)
    digest = hashlib.sha256()
    for key, length in zip(photos.raw_keys(), photos.lengths, strict=True):
        digest.update(b"%s\0%d\n" % (key, length))
    for block in photos.blocks:
        digest.update(b"%d %d %d\n" % (block.start, block.stop, block.size))
    return digest.hexdigest()

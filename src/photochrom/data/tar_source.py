"""Photographs in a WebDataset tar: listed by its headers, then read from their offsets.

A tar on this machine is read photograph by photograph; one behind a network in stretches of STRETCH bytes.
"""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from typing import Any

from ..errors import DataError
from .block_cache import retried
from .locations import SUFFIXES, Location
from .photo_list import NO_BLOCK, Block, Builder

STRETCH = 16 * 2**20  # bytes per network read: large enough to hide latency, small enough for memory
READ_AHEAD = 16 * 2**20  # bytes; listing a distant tar means reading through it
_RECORD = 512  # bytes of a tar's header


@dataclass(frozen=True)
class TarSource:
    """A tar; offsets are bytes from its start."""

    location: Location

    @property
    def name(self) -> str:
        return self.location.name

    def read(self, key: str, offset: int, length: int) -> bytes:
        with open(self.location.url, "rb") as stream:  # noqa: PTH123  a Path would be made anew for each photograph
            stream.seek(offset)
            return stream.read(length)

    def load(self, start: int, stop: int) -> tuple[int, bytes]:
        def read() -> bytes:
            fs, path = self.location.filesystem()
            content: bytes = fs.cat_file(path, start=start, end=stop)
            return content

        return start, retried(self.location.url, read)

    def pick(self, block: tuple[int, bytes], offset: int, length: int) -> bytes:
        start, content = block
        return content[offset - start : offset - start + length]


def list_tar(location: Location, builder: Builder) -> None:
    """Add a tar's photographs to the builder: all, or those before the place where the tar is damaged, which is noted
    in builder.damage. Raises DataError where a distant tar cannot be reached."""
    source = TarSource(location)
    number = len(builder.sources)
    builder.sources.append(source)
    if not location.remote:
        try:
            with open(location.url, "rb") as stream:  # noqa: PTH123
                _add_members(stream, source, number, builder)
        except OSError as error:
            builder.damage.append(f"{location.url}: cannot be read ({error.strerror})")
        return
    fs, path = location.filesystem()
    try:
        with fs.open(path, "rb", block_size=READ_AHEAD, cache_type="readahead") as stream:
            _add_members(stream, source, number, builder)
    except Exception as error:  # each cloud client has its own exceptions
        raise DataError(
            f"{location.url}: cannot be listed ({type(error).__name__}: {error}); expected a tar that can be reached"
        ) from error


def _add_members(stream: Any, source: TarSource, number: int, builder: Builder) -> None:
    size = stream.seek(0, 2)
    stream.seek(0)
    first, end = len(builder), 0
    try:
        with tarfile.open(fileobj=stream, mode="r:") as archive:
            while (member := archive.next()) is not None:
                archive.members.clear()  # type: ignore[attr-defined]  # tarfile would keep one for every photograph
                end = archive.offset
                if member.offset_data + member.size > size:
                    raise tarfile.ReadError(f"{member.name} goes on beyond the end of the file")
                if member.isfile() and _is_photograph(member.name):
                    block = _block(builder, number, member) if source.location.remote else NO_BLOCK
                    builder.add(member.name, number, member.offset_data, member.size, block)
            # tarfile takes a damaged header for the end of the tar; the true end is zeros, or that of the file.
            stream.seek(end)
            if stream.read(_RECORD).strip(b"\0"):
                raise tarfile.ReadError("no file header where one is expected")
    except tarfile.TarError as error:
        builder.damage.append(
            f"{source.location.url}: damaged at byte {end} of {size} ({error}); the {len(builder) - first} photographs "
            "before that are used; expected an uncompressed tar"
        )


def _block(builder: Builder, number: int, member: tarfile.TarInfo) -> int:
    """The index of the stretch that this file belongs to, the last one or a new one."""
    last = builder.blocks[-1] if builder.blocks else None
    stop = member.offset_data + member.size
    if last is not None and last.source == number and stop - last.start <= STRETCH:
        builder.blocks[-1] = Block(number, last.start, stop, stop - last.start)
    else:
        builder.blocks.append(Block(number, member.offset_data, stop, member.size))
    return len(builder.blocks) - 1


def _is_photograph(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.rsplit("/", 1)[-1].startswith(".")

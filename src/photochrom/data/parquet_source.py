"""Photographs in a column of a Parquet file, as Hugging Face writes them: struct{bytes, path}, or bare bytes.

A row group is read as a whole, and only that column of it. A photograph's key is the file's name and its row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import DataError
from .block_cache import retried
from .locations import Location
from .photo_list import Block, Builder

NAMES = ("image", "img", "photo", "photograph", "picture", "jpg", "jpeg", "png", "webp", "bytes", "image_bytes")
MOST = 2 * 2**30  # bytes of a row group's column, as it is read into memory


@dataclass(frozen=True)
class ParquetSource:
    """A Parquet file; offsets are rows within a row group, blocks are row groups."""

    location: Location
    column: str

    @property
    def name(self) -> str:
        return self.location.name

    def read(self, key: str, offset: int, length: int) -> bytes:
        raise AssertionError("rows are read by row group")

    def load(self, start: int, stop: int) -> Any:
        """The row group's column, encoded photographs: a pyarrow array."""

        def read() -> Any:
            with _open(self.location) as file:
                # One thread: this runs in the worker processes of a training.
                table = file.read_row_groups(list(range(start, stop)), columns=[self.column], use_threads=False)
                return table.column(self.column)

        return retried(self.location.url, read)

    def pick(self, block: Any, offset: int, length: int) -> bytes:
        value = block[offset].as_py()
        content = value.get("bytes") if isinstance(value, dict) else value
        if not content:
            path = value.get("path") if isinstance(value, dict) else None
            raise OSError(f"no bytes in the row{f', only the path {path}' if path else ''}")
        return bytes(content)


def list_parquet(location: Location, builder: Builder) -> None:
    """Add a Parquet file's rows to the builder; only its footer is read. A file that is no Parquet is noted in
    builder.damage. Raises DataError: no column of photographs, row groups too large, not reachable."""
    from pyarrow import ArrowInvalid

    def read() -> tuple[Any, Any] | ArrowInvalid:
        try:
            with _open(location) as file:
                return file.metadata, file.schema_arrow
        except ArrowInvalid as error:  # returned, not raised, since retrying would not help
            return error

    footer = retried(location.url, read)
    if not isinstance(footer, tuple):
        builder.damage.append(f"{location.url}: not a readable Parquet file ({footer}); it is left out")
        return
    metadata, schema = footer
    column = photograph_column(schema, location.url)
    number = len(builder.sources)
    builder.sources.append(ParquetSource(location, column))
    row = 0
    for group in range(metadata.num_row_groups):
        about = metadata.row_group(group)
        size = sum(
            chunk.total_uncompressed_size
            for chunk in (about.column(i) for i in range(about.num_columns))
            if chunk.path_in_schema.split(".")[0] == column
        )
        if size > MOST:
            raise DataError(
                f"{location.url}: row group {group} holds {size / 2**30:.1f} GiB of photographs; expected at most "
                f"{MOST / 2**30:.0f} GiB, because a row group is read as a whole; rewrite it with row_group_size=100"
            )
        builder.blocks.append(Block(number, group, group + 1, size))
        for place in range(about.num_rows):
            builder.add(f"{location.name}:{row + place}", number, place, -1, len(builder.blocks) - 1)
        row += about.num_rows


def photograph_column(schema: Any, name: str) -> str:
    """The column of an Arrow schema that holds encoded photographs: a struct with bytes, else binary; of several, the
    one with a usual name (NAMES). Raises DataError naming the columns where there is none, or more than one."""
    import pyarrow.types as types

    def is_binary(kind: Any) -> bool:
        return bool(types.is_binary(kind) or types.is_large_binary(kind))

    structs = [
        field.name
        for field in schema
        if types.is_struct(field.type) and any(part.name == "bytes" and is_binary(part.type) for part in field.type)
    ]
    candidates = structs or [field.name for field in schema if is_binary(field.type)]
    usual = [column for usual in NAMES for column in candidates if column.lower() == usual]
    if len(candidates) == 1 or usual:
        return (usual or candidates)[0]
    columns = ", ".join(f"{field.name} ({field.type})" for field in schema)
    found = "no column of photographs" if not candidates else "more than one column that may hold the photographs"
    raise DataError(f"{name}: {found} among {columns}; expected struct<bytes, path> or binary, named image")


def _open(location: Location) -> Any:
    """A pyarrow ParquetFile, to be closed by `with`."""
    import pyarrow.parquet as pq

    if not location.remote:
        return pq.ParquetFile(location.url)
    fs, path = location.filesystem()
    return pq.ParquetFile(path, filesystem=fs, pre_buffer=False)  # pre-buffering would use threads

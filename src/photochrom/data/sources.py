"""From `--data` to the list of its photographs, in folders, tars and Parquet; locations.py tells what it may say."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DataError
from . import locations
from .block_cache import retried
from .locations import Location
from .parquet_source import list_parquet
from .photo_list import Builder, PhotoList
from .tar_source import list_tar

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FolderSource:
    """A tree of photographs, one a file, here or behind a URL; keys are paths beneath its root."""

    location: Location

    @property
    def name(self) -> str:
        return self.location.name

    def read(self, key: str, offset: int, length: int) -> bytes:
        if not self.location.remote:
            return (Path(self.location.url) / key).read_bytes()

        def read() -> bytes:
            fs, path = self.location.filesystem()
            content: bytes = fs.cat_file(f"{path.rstrip('/')}/{key}")
            return content

        return retried(f"{self.location.url}/{key}", read)

    def load(self, start: int, stop: int) -> Any:
        raise AssertionError("files are read one by one")

    def pick(self, block: Any, offset: int, length: int) -> bytes:
        raise AssertionError("files are read one by one")


def find_photos(data: str | Path) -> PhotoList:
    """All photographs of `data`: a folder, tars, Parquet, a pattern, a URL or a data set's id (see locations.py).

    Damaged tars and Parquet files give what is before the damage, are logged and noted in the list's `damage`.
    Raises DataError where nothing is left, where there is nothing, or where it cannot be reached.
    """
    found = locations.find(data)
    builder = Builder()
    if found.kind == locations.PHOTOS:
        builder.sources.append(FolderSource(found.root))
        for key in found.photographs:
            builder.add(key, 0)
    for file in found.files:
        (list_tar if found.kind == locations.TAR else list_parquet)(file, builder)
    for damage in builder.damage:
        log.warning("%s", damage)
    if not len(builder):
        why = "; ".join(builder.damage[:3]) or f"{len(found.files)} {found.kind} file(s) without a photograph"
        raise DataError(
            f"{data}: no photographs found ({why}); expected {', '.join(locations.SUFFIXES)} files, in a folder or in "
            ".tar shards, or Parquet with a column of photographs"
        )
    return builder.build()

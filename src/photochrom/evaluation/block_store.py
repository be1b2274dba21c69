"""On-disk cache of per-photograph figures, in blocks, so that an interrupted run can continue.

One folder per key; the key covers everything that the figures depend on. Block files are written atomically.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..atomic_file import output_error, part_file
from ..errors import OutputError

BLOCK = 64  # photographs: the most that an interrupted run loses

Arrays = Mapping[str, NDArray[Any]]


def digest(*parts: object) -> str:
    """A hash of everything that a result depends on; `parts` must be JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]


class BlockStore:
    """The blocks of one key, under `folder`."""

    def __init__(self, folder: Path, key: str) -> None:
        self._folder = folder / key
        self._in_memory: dict[int, dict[str, NDArray[Any]]] = {}

    def load(self, number: int, names: Collection[str] = ()) -> dict[str, NDArray[Any]] | None:
        """A block's arrays, all or only those named that it has; None where there is none, or a damaged one."""
        if number in self._in_memory:
            return self._in_memory[number]
        try:
            with np.load(self._file(number), allow_pickle=False) as content:
                return {name: content[name] for name in content.files if not names or name in names}
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
            return None  # it will be made again

    def has(self, number: int) -> bool:
        return self.load(number) is not None

    def remember(self, number: int, arrays: Arrays) -> None:
        """For this run only."""
        self._in_memory[number] = dict(arrays)

    def save(self, number: int, arrays: Arrays) -> None:
        """Raises OutputError."""
        target = self._file(number)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with part_file(target, overwrite=True) as part, part.open("wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]
        except OSError as error:
            raise error if isinstance(error, OutputError) else output_error(target, error) from error

    def _file(self, number: int) -> Path:
        return self._folder / f"{number:06}.npz"

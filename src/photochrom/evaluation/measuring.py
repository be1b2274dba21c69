"""Every measure of every system on every photograph, one block at a time, cached on disk.

Photographs are streamed: only a row of numbers is kept of each. A run that is interrupted, or that adds a system or a
measure, computes what is missing and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError, SettingError
from .block_store import BLOCK, BlockStore, digest
from .photographs import Photograph
from .rows import Row, Rows, joined, stacked
from .survey import Progress, Source, fingerprint
from .systems import System

GROUP = 8  # photographs in memory at a time

Seen = tuple[Source, Photograph, NDArray[np.float32]]
"""A photograph, the pixels of it that a measure sees, and the colours [H, W, 2] that a system gave those."""


class Measure(Protocol):
    """Turns photographs in a system's colours into rows of numbers."""

    name: str
    key: list[object]  # JSON: all that its rows depend on, beside photographs and system
    view: Literal["crop", "whole"]  # what it looks at
    pooled: tuple[str, ...]  # figures that are summed over photographs; the others are stacked

    def wants(self, name: str) -> bool:
        """Whether it looks at the photograph of this name; if not, its row is zeros."""
        ...

    def rows(self, system: System, seen: Sequence[Seen]) -> list[Row]:
        """One row a photograph; all rows have the same names and shapes."""
        ...


class Measured:
    """What was measured, by system and measure, and where systems failed. Read from the disk when asked for."""

    def __init__(self, number: int) -> None:
        """number: of photographs."""
        self._number = number
        self._stores: dict[tuple[str, str], tuple[BlockStore, Sequence[str]]] = {}
        self.failed: dict[str, dict[str, str]] = {}  # system -> photograph -> why

    def keep(self, system: str, measure: Measure, store: BlockStore) -> None:
        self._stores[system, measure.name] = (store, measure.pooled)

    def rows(self, system: str, measure: str, *names: str) -> Rows:
        """Of all photographs; all figures, or those named."""
        return joined(self._blocks(system, measure, names), self._stores[system, measure][1])

    def blocks(self, system: str, measure: str, *names: str) -> Iterator[Rows | None]:
        """The same, a block of photographs at a time; None for a block without figures."""
        return (block for _, block in self._blocks(system, measure, names))

    def _blocks(self, system: str, measure: str, names: Sequence[str]) -> Iterator[tuple[int, Rows | None]]:
        store, _ = self._stores[system, measure]
        for number, start in enumerate(range(0, self._number, BLOCK)):
            yield min(BLOCK, self._number - start), store.load(number, names)


def measure(
    sources: Sequence[Source],
    wanted: Sequence[tuple[System, Measure]],
    cache: Path,
    progress: Progress,
    what: str = "measuring",
) -> Measured:
    """Rows of all the (system, measure) pairs. A photograph on which a system fails has zeros, and is named.

    Raises ModelError for a system that fails on every photograph, PhotoError for a photograph that has gone.
    """
    data = fingerprint(sources)
    stores = [
        BlockStore(cache, digest(measure.name, measure.key, system.fingerprint, data)) for system, measure in wanted
    ]
    measured = Measured(len(sources))
    done = 0
    for number, start in enumerate(range(0, len(sources), BLOCK)):
        some = sources[start : start + BLOCK]
        missing = [i for i, store in enumerate(stores) if not store.has(number)]
        for i, (block, failed) in _blocks(some, wanted, missing).items():
            measured.failed.setdefault(wanted[i][0].name, {}).update(failed)
            if block is not None and not failed:  # a failure is tried again by the next run
                stores[i].save(number, block)
            elif block is not None:
                stores[i].remember(number, block)
        done += len(some)
        progress(what, done, len(sources))
    for store, (system, each) in zip(stores, wanted, strict=True):
        failed = measured.failed.get(system.name, {})
        if len(failed) == len(sources):
            first = next(iter(failed.items()))
            raise ModelError(f"{system.name}: failed on each of the {len(sources)} photographs; {first[0]}: {first[1]}")
        measured.keep(system.name, each, store)
    return measured


def _blocks(
    sources: Sequence[Source], wanted: Sequence[tuple[System, Measure]], missing: Sequence[int]
) -> dict[int, tuple[Rows | None, dict[str, str]]]:
    """The missing pairs' blocks (None: the system failed on all of them) and failures."""
    if not missing:
        return {}
    rows: dict[int, list[Row | None]] = {i: [] for i in missing}
    failed: dict[int, dict[str, str]] = {i: {} for i in missing}
    for group in _groups(sources):
        for i in missing:
            system, each = wanted[i]
            seen, at = [], []
            for source in group:
                rows[i].append(None)
                if not each.wants(source.name):
                    continue
                photograph = source.crop if each.view == "crop" else source.whole
                try:
                    seen.append((source, photograph, system.ab(photograph)))
                    at.append(len(rows[i]) - 1)
                except SettingError:
                    raise  # wrong for every photograph
                except Exception as error:  # ONNX Runtime raises many kinds of exceptions
                    failed[i][source.name] = next(iter(str(error).strip().splitlines()), repr(error))
            for place, row in zip(at, each.rows(system, seen) if seen else [], strict=True):
                rows[i][place] = row
    return {i: (stacked(rows[i], wanted[i][1].pooled), failed[i]) for i in missing}


def _groups(sources: Sequence[Source]) -> Iterator[list[Source]]:
    for start in range(0, len(sources), GROUP):
        yield [source.fresh() for source in sources[start : start + GROUP]]

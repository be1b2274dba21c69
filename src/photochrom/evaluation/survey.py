"""The first pass over an evaluation's photographs: which are usable, and the histogram of their colours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import ab_bins
from ..errors import DataError, PhotoError
from .block_store import BLOCK, BlockStore, digest
from .colour import SIDE, ab_cells, inverse_frequency, nearest_bin, sampled
from .photographs import Photograph, read_crop, read_whole
from .results import AB_CELLS

VERSION = 1  # version of the blocks; cached blocks of another version are not used
NEAR_GREY = 5.0  # ab units: a photograph in which no |a| and no |b| is above it is grey already
GREY = f"grey already (no |a| or |b| above {NEAR_GREY:g})"

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many photographs are done, and of how many."""


@dataclass(frozen=True)
class Source:
    """A photograph on the disk. name: its path in the evaluated folder. Pixels are read when first asked for."""

    name: str
    path: Path

    @cached_property
    def crop(self) -> Photograph:
        """Its central square at SIDE x SIDE."""
        return read_crop(self.path, SIDE)

    @cached_property
    def whole(self) -> Photograph:
        """All of it, at its own size or, if that is large, reduced."""
        return read_whole(self.path)

    def fresh(self) -> Source:
        """The same without its pixels."""
        return Source(self.name, self.path)


@dataclass(frozen=True)
class Survey:
    """kept: what can be judged; grey and unreadable: name -> why not; bins: pixels [313] by the nearest bin of their
    true colour; cells: by their cell of the ab plane."""

    kept: list[Source]
    bins: NDArray[np.float64]
    cells: NDArray[np.float64]
    grey: dict[str, str] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)

    @property
    def weights(self) -> NDArray[np.float64]:
        """Of the rebalanced AuC: 1 / p of each bin, [313]."""
        return inverse_frequency(self.bins)


def fingerprint(sources: Sequence[Source]) -> str:
    """Changes when a file is added, removed or written to."""
    stats = [(source.name, source.path.stat()) for source in sources if source.path.exists()]
    return digest([(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats])


def survey(sources: Sequence[Source], cache: Path, progress: Progress) -> Survey:
    """Look at every photograph once; kept on the disk under `cache`. Raises DataError where none can be judged."""
    store = BlockStore(cache, digest("survey", VERSION, fingerprint(sources)))
    bins, cells = np.zeros(ab_bins.Q), np.zeros((AB_CELLS, AB_CELLS))
    kept: list[Source] = []
    reasons: dict[bool, dict[str, str]] = {True: {}, False: {}}  # by whether it is for being grey
    for number, start in enumerate(range(0, len(sources), BLOCK)):
        some = sources[start : start + BLOCK]
        block = store.load(number)
        if block is None:
            block = _look(some)
            store.save(number, block)
        bins += block["bins"]
        cells += block["cells"]
        for source, why in zip(some, block["why"].tolist(), strict=True):
            if why:
                reasons[why == GREY][source.name] = why
            else:
                kept.append(source)
        progress("looking", start + len(some), len(sources))
    if not kept:
        found = f"{len(reasons[True])} are grey already, {len(reasons[False])} cannot be read"
        first = next((f"; {name}: {why}" for name, why in reasons[False].items()), "")
        raise DataError(f"none of the {len(sources)} photographs can be judged: {found}{first}; expected colour ones")
    return Survey(kept, bins, cells, reasons[True], reasons[False])


def _look(sources: Sequence[Source]) -> dict[str, NDArray[Any]]:
    colours, why = [np.zeros((0, 2))], []
    for source in sources:
        try:
            ab = source.fresh().crop.ab
        except PhotoError as error:
            why.append(f"{error.found}; {error.expected}")
            continue
        grey = np.abs(ab).max() <= NEAR_GREY
        why.append(GREY if grey else "")
        if not grey:
            colours.append(sampled(ab))
    pixels = np.concatenate(colours)
    counts = np.bincount(nearest_bin(pixels), minlength=ab_bins.Q) if len(pixels) else np.zeros(ab_bins.Q)
    return {"bins": counts.astype(np.float64), "cells": ab_cells(pixels), "why": np.array(why, dtype=np.str_)}

"""Statistics of a training set: counts, sizes, near-grey photographs, colours. `photochrom data stats`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .. import ab_bins
from ..errors import DataError
from .photo_list import Entry, PhotoList
from .photograph import GREY, TINY, Limits, UnusablePhoto, ab_of, grey, is_grey, open_entry, thumbnail
from .prior import SAMPLE_SIDE, sum_of_priors
from .skips import Skips
from .survey import sample, survey


@dataclass
class Stats:
    """photographs: in the set; sampled: looked at; skipped: what training leaves out of them, by reason.

    formats: {"JPEG": count}; short_sides, long_sides: [read] pixels; chromas: [read] mean sqrt(a^2 + b^2), in ab units;
    prior: [313] of those that training uses; damage: of the files, a sentence each.
    """

    photographs: int
    sampled: int
    skipped: Skips = field(default_factory=Skips)
    formats: Counter[str] = field(default_factory=Counter)
    short_sides: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    long_sides: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    chromas: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    prior: NDArray[np.float64] = field(default_factory=lambda: np.zeros(ab_bins.Q))
    damage: list[str] = field(default_factory=list)

    @property
    def read(self) -> int:
        """How many of the sampled could be read."""
        return len(self.short_sides)

    @property
    def grey_share(self) -> float:
        """Of those that could be read, the near-grey ones, 0..1."""
        return self.skipped.counts[GREY] / self.read

    def summary(self) -> dict[str, object]:
        """All of it as plain values for JSON; of the arrays: least, median, greatest."""
        return {
            "photographs": self.photographs,
            "sampled": self.sampled,
            "unreadable": self.sampled - self.read,
            "tiny": self.skipped.counts[TINY],
            "near_grey": self.skipped.counts[GREY],
            "left_out": dict(self.skipped.names),
            "damage": self.damage,
            "formats": dict(sorted(self.formats.items())),
            "short_side": spread(self.short_sides),
            "long_side": spread(self.long_sides),
            "chroma": float(self.chromas.mean()),
            "prior": [round(float(p), 8) for p in self.prior],
        }


def spread(values: NDArray[np.int32]) -> tuple[int, int, int]:
    """(least, median, greatest)."""
    return int(values.min()), int(np.median(values)), int(values.max())


@dataclass
class _Part:
    sides: list[tuple[int, int]] = field(default_factory=list)
    chromas: list[float] = field(default_factory=list)
    formats: Counter[str] = field(default_factory=Counter)
    unusable: list[UnusablePhoto] = field(default_factory=list)
    codes: NDArray[np.float64] = field(default_factory=lambda: np.zeros(ab_bins.Q))


def look_at(entries: Sequence[Entry]) -> _Part:
    """Sizes and colours of these photographs."""
    part, colours, limits = _Part(), [], Limits()
    for entry in entries:
        try:
            opened = open_entry(entry, SAMPLE_SIDE)
        except UnusablePhoto as photo:
            part.unusable.append(photo)
            continue
        short, long = sorted(opened.size)
        small = thumbnail(opened.image, SAMPLE_SIDE)
        ab = ab_of(small).reshape(-1, 2)
        part.sides.append((short, long))
        part.formats[opened.format] += 1
        part.chromas.append(float(np.hypot(ab[:, 0], ab[:, 1]).mean()))
        if short < limits.min_side:
            detail = f"{opened.size[0]} x {opened.size[1]} pixels; expected at least {limits.min_side} on each side"
            part.unusable.append(UnusablePhoto(entry.key, entry.source.name, TINY, detail))
        elif is_grey(small):
            part.unusable.append(grey(entry))
        else:
            colours.append(ab)
    part.codes = sum_of_priors(colours)
    return part


def measure(
    entries: Sequence[Entry],
    photographs: int | None = None,
    seed: int = 0,
    jobs: int = 1,
    progress: Callable[[int], None] = lambda count: None,
) -> Stats:
    """Statistics of `photographs` entries drawn without replacement (all by default), on `jobs` processes.

    progress: called with the number looked at since the last call. Raises DataError where none can be read.
    """
    photos = PhotoList.of(entries)
    indices = sample(photos, photographs, seed)
    stats = Stats(len(photos), len(indices), damage=photos.damage)
    sides, chromas = [np.zeros((0, 2), np.int32)], [np.zeros(0, np.float32)]
    for part in survey(photos, indices, look_at, jobs):
        sides.append(np.array(part.sides, np.int32).reshape(-1, 2))
        chromas.append(np.array(part.chromas, np.float32))
        stats.formats += part.formats
        stats.prior += part.codes
        unreadable = 0
        for photo in part.unusable:
            stats.skipped.add(photo)
            unreadable += photo.reason not in (TINY, GREY)
        progress(len(part.sides) + unreadable)
    stats.short_sides, stats.long_sides = np.concatenate(sides).T
    stats.chromas = np.concatenate(chromas)
    if not stats.read:
        raise DataError(f"no photograph could be read: {stats.skipped}; expected at least one")
    stats.prior /= max(stats.prior.sum(), 1e-12)
    return stats

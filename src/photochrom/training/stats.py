"""What a training set holds: counts, sizes, greyness, colour. `photochrom data stats`."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .. import ab_bins
from ..color import rgb_to_lab
from ..errors import DataError
from .data import Entry, decode
from .losses import NEAR_GREY
from .prior import SAMPLE_SIDE


@dataclass
class Stats:
    """photographs: in the set; sampled: looked at, of which unreadable and near-grey (no |a| or |b| above 5); short and
    long side in pixels (least, median, greatest); chroma: mean of sqrt(a^2 + b^2); prior [313] of the sample."""

    photographs: int
    sampled: int
    unreadable: list[str] = field(default_factory=list)
    near_grey: int = 0
    short_side: tuple[int, int, int] = (0, 0, 0)
    long_side: tuple[int, int, int] = (0, 0, 0)
    chroma: float = 0.0
    prior: NDArray[np.float64] = field(default_factory=lambda: np.zeros(ab_bins.Q))


def measure(entries: list[Entry], photographs: int | None = None, seed: int = 0) -> Stats:
    """Statistics of `photographs` entries drawn without replacement (all by default)."""
    order = np.random.default_rng(seed).permutation(len(entries))[:photographs]
    stats = Stats(len(entries), len(order))
    sides, chroma = [], []
    for index in order:
        try:
            image = decode(entries[index])
        except DataError as error:
            stats.unreadable.append(str(error))
            continue
        sides.append(sorted(image.size))
        image.thumbnail((SAMPLE_SIDE, SAMPLE_SIDE))
        ab = rgb_to_lab(np.asarray(image, dtype=np.float32) / 255)[..., 1:]
        stats.near_grey += not bool((np.abs(ab) > NEAR_GREY).any())
        chroma.append(float(np.hypot(ab[..., 0], ab[..., 1]).mean()))
        stats.prior += ab_bins.prior(ab)
    if not sides:
        raise DataError("no photograph could be read; expected at least one")
    stats.prior /= len(sides)
    stats.chroma = float(np.mean(chroma))
    short, long = np.array(sides).T
    stats.short_side = (int(short.min()), int(np.median(short)), int(short.max()))
    stats.long_side = (int(long.min()), int(np.median(long)), int(long.max()))
    return stats

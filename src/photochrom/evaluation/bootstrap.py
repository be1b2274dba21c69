"""Bootstrap intervals over photographs, paired: every statistic sees the same resampled sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from .results import Interval

RESAMPLES = 1000
CHUNK = 500_000  # numbers in memory at a time: 10 resampled sets of 50,000 photographs
MOST_SETS = 64
LEVEL = 95.0  # per cent


def resample_counts(n: int, resamples: int = RESAMPLES, seed: int = 0) -> Iterator[NDArray[np.float64]]:
    """How often each of n photographs is drawn in each resampled set, in chunks [<= MOST_SETS, n]."""
    rng = np.random.default_rng(seed)
    sets = max(1, min(MOST_SETS, CHUNK // n))
    for start in range(0, resamples, sets):
        rows = min(sets, resamples - start)
        drawn = rng.integers(n, size=(rows, n)) + n * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)


def interval(
    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    n: int,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The central 95% of a statistic over resampled sets of photographs.

    statistic: counts [sets, n] -> values [sets, ...]. Returns (low [...], high [...]); the same seed draws the same
    sets, so statistics of several systems are paired. A statistic that is NaN on any set has no interval (NaN).
    """
    values = np.concatenate([statistic(counts) for counts in resample_counts(n, resamples, seed)])
    tail = (100 - LEVEL) / 2
    low, high = np.percentile(values, [tail, 100 - tail], axis=0)
    return low, high


def intervals(
    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]], names: Sequence[str], n: int, seed: int = 0
) -> dict[str, Interval]:
    """The figures that `statistic` gives for n photographs, by name, with their intervals.

    statistic: counts [sets, n] -> figures [sets, len(names)].
    """
    values = statistic(np.ones((1, n)))[0]
    low, high = interval(statistic, n, seed=seed)
    triples = zip(values.tolist(), low.tolist(), high.tolist(), strict=True)
    return {name: Interval(*triple) for name, triple in zip(names, triples, strict=True)}

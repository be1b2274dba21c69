"""Statistics of a distribution over the 313 bins: entropy, and whether it is bimodal.

Also annealed means, and cumulative shares of histograms of the ab plane. In numpy; probabilities have the bins first,
[313, ...], as models give them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ...ab_bins import CENTRES, Q, annealed_mean, nearest_bins

MODE_RADIUS = 20  # ab units: the probability within belongs to a mode
SEPARATION = 60  # ab units: two modes lie at least so far apart. Yellow and green grass are about 40

Floats = NDArray[np.floating]


def annealed(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """The annealed mean (section 2.3) of probabilities [313, h, w]: CIE ab [2, h, w]. Temperature 0 is the mode."""
    if temperature == 0:
        return np.moveaxis(CENTRES.astype(np.float32)[probabilities.argmax(0)], -1, 0)
    return np.moveaxis(annealed_mean(np.moveaxis(probabilities, 0, -1), temperature), -1, 0).astype(np.float32)


def entropy(probabilities: Floats) -> NDArray[np.float64]:
    """Of probabilities [313, ...], in nats [...]: 0 where one bin is certain, log(313) = 5.75 where all are alike."""
    p = np.asarray(probabilities, dtype=np.float64)
    return -(p * np.log(p, where=p > 0, out=np.zeros_like(p))).sum(0)


@dataclass(frozen=True)
class TwoModes:
    """The two modes of distributions, arrays of any shape [...] alike.

    first, second: the bins that they are around, the first the denser; masses: the probability within
    MODE_RADIUS of each; bimodality: see `two_modes`.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    first_mass: NDArray[np.float64]
    second_mass: NDArray[np.float64]
    bimodality: NDArray[np.float64]


def two_modes(probabilities: Floats) -> TwoModes:
    """The two modes of distributions [313, ...], and how clearly there are two.

    A bin's mass is the probability within MODE_RADIUS of it. The first mode is the densest bin (by the same
    probabilities, weighted down to 0 at MODE_RADIUS), the second the densest at least SEPARATION away. Bimodality is
    the second's mass minus the mass half-way between them: 0.5 for two equal modes that hold all the mass, about 0 or
    below where the second is only the tail of the first, without a valley between them.
    """
    kernel, far, middle = _geometry()
    p = np.asarray(probabilities, dtype=np.float32).reshape(Q, -1)
    density = kernel @ p  # [313, n]
    mass = (kernel > 0).astype(np.float32) @ p
    column = np.arange(p.shape[1])
    first = density.argmax(0)
    second = np.where(far[first].T, density, -1).argmax(0)
    valley = mass[middle[first, second], column]
    shape = np.shape(probabilities)[1:]
    return TwoModes(
        first.reshape(shape),
        second.reshape(shape),
        mass[first, column].astype(np.float64).reshape(shape),
        mass[second, column].astype(np.float64).reshape(shape),
        (mass[second, column] - valley).astype(np.float64).reshape(shape),
    )


@lru_cache(maxsize=1)
def _geometry() -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.int64]]:
    """Of each pair of bins [313, 313]: how near it is (Epanechnikov's kernel, above 0 within MODE_RADIUS), is it far,
    and the bin nearest to the point half-way."""
    difference = CENTRES[:, None] - CENTRES
    squared = (difference**2).sum(-1)
    half_way = (CENTRES[:, None] + CENTRES) / 2
    middle = nearest_bins(half_way, k=1)[0][..., 0]
    kernel = np.maximum(1 - squared / (MODE_RADIUS + 0.1) ** 2, 0)  # the boundary itself belongs to the mode
    return kernel.astype(np.float32), squared >= SEPARATION**2, middle


def shares(ab_counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Counts [...] as shares that sum to 1; all 0 where nothing was counted."""
    return ab_counts / max(int(ab_counts.sum()), 1)


def densest(ab_shares: NDArray[np.float64], covered: float) -> float:
    """The share of a cell above which the densest cells together hold `covered` (0..1) of everything."""
    falling = np.sort(ab_shares, axis=None)[::-1]
    enough = np.searchsorted(np.cumsum(falling), covered * falling.sum())
    return float(falling[min(enough, falling.size - 1)])

"""Faded photographs get their contrast back before the network sees them; the photograph itself keeps its own.

A network knows photographs whose shades go from black to white. An old print's may lie between two greys.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

OUTLIERS = 1  # percent of the pixels at either end that do not count
MOST = 4.0  # times: beyond that it is noise that is stretched
LEVEL_OUTLIERS = 0.1  # percent at either end that levels_of may clip
MOST_LEVELS = 10.0  # times
FLAT = 1.0  # a range of L in which there is nothing to be seen


def widened(lightness: NDArray[np.float32], least_range: float) -> NDArray[np.float32]:
    """CIE L, float [H, W], stretched about the middle of its range where that is narrower than `least_range` (0..100).

    A range goes from the 1st to the 99th percentile. What is wide enough, or a single shade, comes back as it is; the
    rest at most MOST times as wide, moved only as far as it has to be to fit into 0..100, and clipped to that.
    """
    low, high = (float(value) for value in np.percentile(lightness, (OUTLIERS, 100 - OUTLIERS)))
    if not FLAT < high - low < least_range:
        return lightness
    factor = min(MOST, least_range / (high - low))
    half = factor * (high - low) / 2
    middle = min(max((low + high) / 2, half), 100 - half)
    stretched = (lightness - (low + high) / 2) * factor + middle
    return np.clip(stretched, 0, 100).astype(np.float32)


def levels_of(lightness: NDArray[np.float32]) -> tuple[float, float] | None:
    """(low, high) in CIE L to bring to 0 and 100, the photograph's darkest and lightest but for outliers; None where
    there is nothing to be seen, or nothing to gain.

    lightness: float, any shape. The stretch is at most MOST_LEVELS times.
    """
    low, high = (float(value) for value in np.percentile(lightness, (LEVEL_OUTLIERS, 100 - LEVEL_OUTLIERS)))
    if high - low <= FLAT or (low < 1 and high > 99):
        return None
    least = 100 / MOST_LEVELS
    if high - low < least:
        middle = min(max((low + high) / 2, least / 2), 100 - least / 2)
        low, high = middle - least / 2, middle + least / 2
    return low, high

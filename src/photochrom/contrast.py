"""Faded photographs get their contrast back before the network sees them; the photograph itself keeps its own.

A network knows photographs whose shades go from black to white. An old print's may lie between two greys.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

OUTLIERS = 1  # percent of the pixels at either end that do not count
MOST = 4.0  # times: beyond that it is noise that is stretched
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

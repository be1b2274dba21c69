"""Average precision, by the three definitions that are in use.

    eleven_point   VOC 2007's: the mean, over recalls 0, 0.1 .. 1, of the best precision at that recall or above
    interpolated   VOC 2010's and later: the area under the curve of the best precision at each recall or above
    exact          the area under the raw curve: the sum over thresholds of (gain in recall) x precision, as
    scikit-learn's

Results with equal scores are taken together, as one threshold: the figures do not depend on the order of the results.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class AveragePrecision:
    """Of one class, or their means: 0..1; NaN where there is nothing to find."""

    eleven_point: float
    interpolated: float
    exact: float


def average_precision(
    scores: NDArray[np.floating], right: NDArray[np.bool_], positives: int | None = None
) -> AveragePrecision:
    """scores: [n] of the results, higher is surer; right: [n], which of them are right. positives: how many there are
    to find, those never found included (detection); None: all are among the results. What is to be ignored must be
    left out beforehand."""
    positives = int(right.sum()) if positives is None else positives
    if positives == 0:
        return AveragePrecision(np.nan, np.nan, np.nan)
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(right[order])
    last = np.flatnonzero(np.diff(scores[order], append=np.nan) != 0)  # of each run of equal scores
    recall, precision = hits[last] / positives, hits[last] / (last + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    gains = np.diff(recall, prepend=0.0)
    # Recalls are fractions of whole numbers: compared with a tenth as such, for 0.1 * 3 is not 0.3.
    reached = [np.flatnonzero(10 * hits[last] >= tenth * positives) for tenth in range(11)]
    eleven = [best[found[0]] if len(found) else 0.0 for found in reached]
    return AveragePrecision(float(np.mean(eleven)), float(gains @ best), float(gains @ precision))


def mean_average_precision(classes: list[AveragePrecision]) -> AveragePrecision:
    """The mean over the classes of which there is something to find; NaN if there is none."""
    found = [each for each in classes if not np.isnan(each.exact)]
    if not found:
        return AveragePrecision(np.nan, np.nan, np.nan)
    eleven = float(np.mean([each.eleven_point for each in found]))
    interpolated = float(np.mean([each.interpolated for each in found]))
    return AveragePrecision(eleven, interpolated, float(np.mean([each.exact for each in found])))

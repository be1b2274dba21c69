"""Mean intersection over union, from one table of confusions over all photographs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .label_map import VOID


class Confusion:
    """table: [classes, classes] int64, pixels by (true class, found class); classes: with the background."""

    def __init__(self, classes: int) -> None:
        self.table = np.zeros((classes, classes), np.int64)

    def add(self, truth: NDArray[np.integer], found: NDArray[np.integer]) -> None:
        """Count the pixels of one photograph: both [H, W] of 0 .. classes - 1; where the truth is VOID nothing
        counts."""
        known = truth != VOID
        number = len(self.table)
        pairs = truth[known].astype(np.int64) * number + found[known]
        self.table += np.bincount(pairs, minlength=number**2).reshape(number, number)

    def per_class(self) -> NDArray[np.float64]:
        """[classes] intersection over union, 0..1; NaN for a class that is neither in the truth nor ever found."""
        both = np.diag(self.table).astype(np.float64)
        either = self.table.sum(0) + self.table.sum(1) - both
        return np.divide(both, either, out=np.full(len(both), np.nan), where=either > 0)

    def mean(self) -> float:
        """Over the classes that are in the truth or were found; NaN without any pixel."""
        values = self.per_class()
        return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")

    def accuracy(self) -> float:
        """Share of the pixels whose class was found; NaN without any pixel."""
        total = int(self.table.sum())
        return float(np.trace(self.table)) / total if total else float("nan")

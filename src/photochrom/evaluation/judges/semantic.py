"""Whether a classifier recognises what a photograph shows, in colours that a system gave it.

Over a few hundred photographs top-1 is too coarse, so the true class's log-probability is reported too. The scale is
set by the same photographs in grey and in their own colours: `share` is the fraction of that gap recovered.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ...merge import AbMap, PageMerger
from .. import bootstrap
from ..photographs import Photograph
from ..results import SemanticScores
from ..rows import Row, Rows

VERSION = 1  # version of the rows; cached rows of another version are not used
Floats = NDArray[np.float64]
FIGURES = ("top_1", "top_5", "log_probability", "share", "top_1_share")


def merged(photograph: Photograph, ab: NDArray[np.floating]) -> NDArray[np.uint8]:
    """The photograph in the colours ab [H, W, 2], its lightness kept, as the product writes it: uint8 [H, W, 3]."""
    height, width = ab.shape[:2]
    colours = AbMap(np.moveaxis(ab.astype(np.float32), -1, 0), (height, width))
    return PageMerger(colours, height, width, 8).merge(0, photograph.rgb).astype(np.uint8, copy=False)


def semantic_row(log_probabilities: NDArray[np.floating], label: int) -> Row:
    """One photograph's row, from log-probabilities [classes] and its class: the true class's log-probability and
    rank (0: it came first). `known` tells it from a photograph without label or colours."""
    truth = log_probabilities[label]
    return {"log_probability": float(truth), "rank": float((log_probabilities > truth).sum()), "known": 1.0}


def semantic_scores(system: Rows, grey: Rows, original: Rows, seed: int = 0) -> SemanticScores:
    """One system's figures beside grey's and the original's, with intervals by a paired bootstrap over photographs.

    Rows: `semantic_row`'s figures, each [n], of the same photographs in the same order.
    """
    known = (system["known"] * grey["known"] * original["known"]) > 0
    figures = _figures(*({name: rows[name][known] for name in rows} for rows in (system, grey, original)))
    n = int(known.sum())
    return SemanticScores(photographs=n, **bootstrap.intervals(figures, FIGURES, n, seed))


def _figures(system: Rows, grey: Rows, original: Rows) -> Callable[[Floats], Floats]:
    first, first_in_grey, first_in_colour = ((rows["rank"] < 1).astype(float) for rows in (system, grey, original))
    among_5 = (system["rank"] < 5).astype(float)
    surely, greyly, truly = (rows["log_probability"] for rows in (system, grey, original))

    def figures(counts: Floats) -> Floats:
        n = counts.sum(1)
        return np.column_stack(
            [
                100 * (counts @ first) / n,
                100 * (counts @ among_5) / n,
                counts @ surely / n,
                _share(counts @ (surely - greyly), counts @ (truly - greyly)),
                _share(counts @ (first - first_in_grey), counts @ (first_in_colour - first_in_grey)),
            ]
        )

    return figures


def _share(won: Floats, gap: Floats) -> Floats:
    """In %; NaN where there is no gap."""
    return np.divide(100 * won, gap, out=np.full_like(gap, np.nan), where=gap > 0)

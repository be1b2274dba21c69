"""Rows of numbers, one a photograph, and how they are put together.

Of a figure that is `pooled` only the sum over photographs is kept; of the others each photograph's value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Row = dict[str, Any]
"""One photograph's figures: name -> number or array."""
Rows = dict[str, NDArray[Any]]
"""Those of many: name -> [n, ...], or the sum of a pooled one."""


def stacked(rows: Sequence[Row | None], pooled: Sequence[str]) -> Rows | None:
    """Rows of n photographs together; zeros for a photograph that has none (None), None where none has one."""
    template = next((row for row in rows if row is not None), None)
    if template is None:
        return None
    empty = {name: np.zeros_like(value) for name, value in template.items()}
    every = [empty if row is None else row for row in rows]
    return {
        name: np.sum([row[name] for row in every], axis=0) if name in pooled else np.stack([row[name] for row in every])
        for name in template
    }


def joined(blocks: Sequence[tuple[int, Rows | None]], pooled: Sequence[str]) -> Rows:
    """Blocks of rows together, each given as (photographs, rows): None counts as zeros. One block must have rows."""
    template = next(block for _, block in blocks if block is not None)
    whole: Rows = {}
    for name, value in template.items():
        if name in pooled:
            whole[name] = np.sum([block[name] for _, block in blocks if block is not None], axis=0)
        else:
            parts = [
                np.zeros((n, *value.shape[1:]), value.dtype) if block is None else block[name] for n, block in blocks
            ]
            whole[name] = np.concatenate(parts)
    return whole

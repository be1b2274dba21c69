"""Rows of numbers, one a photograph, and how they are put together.

Of a figure that is `pooled` only the sum over photographs is kept; of the others each photograph's value.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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


def joined(blocks: Iterable[tuple[int, Rows | None]], pooled: Sequence[str]) -> Rows:
    """Blocks of rows together, each given as (photographs, rows): None counts as zeros. One block must have rows.

    The blocks may come one by one from the disk: only what is stacked stays in memory.
    """
    parts: list[tuple[int, Rows]] = []
    sums: Rows = {}
    for n, block in blocks:
        parts.append((n, {name: value for name, value in (block or {}).items() if name not in pooled}))
        for name in pooled:
            if block is not None:
                sums[name] = block[name] + sums.get(name, 0)
    template = next(part for _, part in parts if part)
    for name, value in template.items():
        sums[name] = np.concatenate(
            [part[name] if part else np.zeros((n, *value.shape[1:]), value.dtype) for n, part in parts]
        )
    return sums

"""The gallery: a model's best, worst, median and random photographs, as thumbnails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..judges.semantic import merged
from ..photographs import Photograph
from ..results import Evaluation, SystemResult
from ..systems import System
from .distributions import entropy
from .model_view import view
from .thumbnails import thumbnail

GROUPS = ("best", "worst", "median", "random")
KEPT = 3  # photographs a group


@dataclass(frozen=True)
class Example:
    """One photograph in a system's colours.

    gain: its rebalanced AuC minus grey's on it, in points; entropy: of the distribution at each cell, nats [h, w]
    float32, None where the model gives none.
    """

    photograph: str
    gain: float
    grey: bytes
    coloured: bytes
    original: bytes
    entropy: NDArray[np.float32] | None = None


def chosen(gains: NDArray[np.float64], seed: int = 0, count: int = KEPT) -> dict[str, list[int]]:
    """Which photographs to show, by group: indices into gains [n], where NaN is a photograph without colours.

    best and worst begin with the extreme; median holds the middle ranks; these three share no photograph. random is
    drawn by the seed from all, the same for every system that coloured them.
    """
    known = np.flatnonzero(np.isfinite(gains))
    rising = known[np.argsort(gains[known], kind="stable")]
    n = len(rising)
    k = min(count, max(1, n // 3))
    middle = (n - k) // 2
    drawn = np.random.default_rng(seed).permutation(len(gains))
    groups = {
        "best": rising[::-1][:k],
        "worst": rising[:k] if n >= 2 else rising[:0],
        "median": rising[middle : middle + k] if n >= 3 else rising[:0],
        "random": drawn[np.isin(drawn, known)][:count] if n > 3 else rising[:0],
    }
    return {name: indices.tolist() for name, indices in groups.items() if len(indices)}


def chosen_of(evaluation: Evaluation, result: SystemResult, seed: int = 0) -> dict[str, list[int]]:
    """`chosen` for one system: indices into evaluation.names, without those that it failed on."""
    return chosen(np.where([name in result.failed for name in evaluation.names], np.nan, result.photo_gain), seed)


def gallery(
    evaluation: Evaluation,
    result: SystemResult,
    system: System,
    groups: dict[str, list[int]],
    read: Callable[[str], Photograph | None],
    step: Callable[[], None],
) -> dict[str, tuple[Example, ...]]:
    """A system's examples by group; photographs that cannot be read are left out.

    groups: from `chosen_of`; read: gives a photograph by name, None where it cannot be read; step: called after each
    of the groups' different photographs.
    """
    seen = view(system)
    made: dict[int, Example] = {}
    for index in {index for indices in groups.values() for index in indices}:
        photograph = read(evaluation.names[index])
        if photograph is not None:
            given = system.ab(photograph)
            unsure = None
            if seen is not None and seen.has_probabilities:
                unsure = entropy(seen.probabilities(photograph)).astype(np.float32)
            made[index] = Example(
                photograph=evaluation.names[index],
                gain=float(result.photo_gain[index]),
                grey=thumbnail(merged(photograph, np.zeros_like(given))),
                coloured=thumbnail(merged(photograph, given)),
                original=thumbnail(photograph.rgb),
                entropy=unsure,
            )
        step()
    shown = {name: tuple(made[i] for i in indices if i in made) for name, indices in groups.items()}
    return {name: examples for name, examples in shown.items() if examples}

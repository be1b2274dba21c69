"""Illustrations of a report: pictures and distributions, from a limited number of photographs.

The figures of an evaluation use all photographs; illustrations are made afterwards from the result and a few dozen
photographs, so that 50,000 photographs cost no more than 50.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import DataError, PhotoError
from ..colour import SIDE
from ..photographs import Photograph, read_crop
from ..results import Evaluation
from ..systems import System
from .gallery import Example, chosen_of, gallery
from .model_view import view, views
from .multimodal import MultimodalPixel, most_multimodal
from .temperature_sweep import Sweeps, sweep

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many photographs are done, and of how many."""


@dataclass(frozen=True)
class Illustrations:
    """Pictures and distributions of an evaluation; each may be empty.

    sweeps: over the temperature; multimodal: by system; multimodal_photographs: how many were searched; gallery: by
    system and group; same_distribution: by a system that shows nothing of its own in `multimodal`, the one there with
    the same network.
    """

    sweeps: Sweeps | None = None
    multimodal: dict[str, tuple[MultimodalPixel, ...]] = field(default_factory=dict)
    multimodal_photographs: int = 0
    gallery: dict[str, dict[str, tuple[Example, ...]]] = field(default_factory=dict)
    same_distribution: dict[str, str] = field(default_factory=dict)


def _silent(what: str, done: int, total: int) -> None:
    pass


def illustrate(
    evaluation: Evaluation,
    systems: Sequence[System],
    folder: Path,
    *,
    seed: int = 0,
    progress: Progress = _silent,
    sweep_photographs: int = 48,
    multimodal_photographs: int = 48,
) -> Illustrations:
    """Make the illustrations of an evaluation of `systems` (as in evaluation.systems, in that order) on the photographs
    in `folder`, at 256x256 like its figures.

    seed: of the gallery's random photographs. sweep_photographs, multimodal_photographs: at most so many, evenly
    spread; 0 leaves that part out. A photograph that is gone since, or that a system failed on, is passed over. Raises
    DataError where the systems are not those of the evaluation.
    """
    measured = [result.name for result in evaluation.systems]
    if [system.name for system in systems] != measured:
        given = ", ".join(system.name for system in systems)
        raise DataError(f"systems are {given}; expected those of the evaluation, in order: {', '.join(measured)}")

    def read(name: str) -> Photograph | None:
        try:
            return read_crop(folder / name, SIDE)
        except PhotoError:
            return None

    pairs = list(zip(evaluation.systems, systems, strict=True))
    models = [(result, system) for result, system in pairs if result.kind == "model"]
    failed = {name for result, _ in models for name in result.failed}
    names = [name for name in evaluation.names if name not in failed]
    networks = views([system for _, system in models])

    swept = None
    if networks and sweep_photographs:
        few = _spread(names, sweep_photographs)
        swept = sweep(networks, few, read, _counter(progress, "temperatures", len(few)))
    unsure: dict[str, tuple[MultimodalPixel, ...]] = {}
    searched: list[str] = []
    if any(network.has_probabilities for network in networks) and multimodal_photographs:
        searched = _spread(names, multimodal_photographs)
        unsure = most_multimodal(networks, searched, read, _counter(progress, "multimodal pixels", len(searched)))
    twins = _twins([system for _, system in models], unsure)
    shown = {}
    groups = [chosen_of(evaluation, result, seed) for result, _ in models]
    different = sum(len({index for indices in each.values() for index in indices}) for each in groups)
    step = _counter(progress, "gallery", different)
    for (result, system), each in zip(models, groups, strict=True):
        examples = gallery(evaluation, result, system, each, read, step)
        if examples:
            shown[result.name] = examples
    return Illustrations(swept, unsure, len(searched), shown, twins)


def _twins(systems: Sequence[System], searched: Collection[str]) -> dict[str, str]:
    """Systems by name that share the network, and so the distributions, of one in `searched`: that one's name."""
    seen = {system.name: each for system in systems if (each := view(system)) is not None}
    owners = {id(seen[name].colorizer): name for name in searched}
    return {
        name: owners[id(each.colorizer)]
        for name, each in seen.items()
        if name not in searched and id(each.colorizer) in owners
    }


def _spread(names: Sequence[str], limit: int) -> list[str]:
    """At most `limit` names, evenly spread, so that a sorted list keeps its variety."""
    if limit >= len(names):
        return list(names)
    return [names[i * len(names) // limit] for i in range(limit)]


def _counter(progress: Progress, what: str, total: int) -> Callable[[], None]:
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        progress(what, done, total)

    return step

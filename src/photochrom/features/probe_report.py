"""The figures of a probe, with their intervals: top-1 of linear classifiers, stage by stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import reduce
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import DataError
from ..evaluation.bootstrap import intervals
from ..evaluation.results import Interval
from ..version import __version__
from .labelled import Labelled
from .probe import Probed
from .subjects import UNTRAINED

TOP = 5


@dataclass(frozen=True)
class StageScore:
    """Of one stage: channels and side of the pooled features; top-1 and top-5 on the test photographs, in % with 95%
    intervals (top_5 is None with 5 classes or fewer); training_top_1 in %, during the last epoch; over: baseline ->
    top-1 minus that of the same network untrained, in points, paired."""

    channels: int
    side: int
    top_1: Interval
    top_5: Interval | None
    training_top_1: float
    over: dict[str, Interval] = field(default_factory=dict)

    @property
    def numbers(self) -> int:
        return self.channels * self.side**2


@dataclass(frozen=True)
class SystemScore:
    """Of one trunk; see subjects.Subject. stages: in the order in which they run."""

    name: str
    kind: str
    network: str
    size: int
    note: str
    stages: dict[str, StageScore]


@dataclass(frozen=True)
class ProbeReport:
    """The report: what was probed, how, and the results."""

    data: str
    split: str
    command: str
    classes: int
    training_photographs: int
    test_photographs: int
    left_out: dict[str, int]
    unreadable: dict[str, str]
    damage: list[str]
    settings: dict[str, Any]
    versions: dict[str, str]
    seconds: float
    systems: list[SystemScore]

    @property
    def chance(self) -> float:
        """Top-1 of guessing, %."""
        return 100 / self.classes


def make_report(
    results: Sequence[Probed],
    labelled: Labelled,
    *,
    data: str,
    split: str,
    command: str,
    settings: Sequence[Any],
    seconds: float,
    seed: int = 0,
) -> ProbeReport:
    """The report of these results. settings: dataclasses, of which all fields go in under their names."""
    systems = score(results, labelled, seed)
    return ProbeReport(
        data=data,
        split=split,
        command=command,
        classes=len(labelled.classes),
        training_photographs=int((~labelled.is_test).sum()),
        test_photographs=len(_common(results)),
        left_out=labelled.left_out,
        unreadable={key: why for result in results for key, why in result.unreadable.items()},
        damage=labelled.damage,
        settings={type(each).__name__: asdict(each) for each in settings},
        versions={"photochrom": __version__, "torch": torch.__version__, "numpy": np.__version__},
        seconds=round(seconds, 1),
        systems=systems,
    )


def _common(results: Sequence[Probed]) -> NDArray[np.int64]:
    """The tested photographs that all could read."""
    return reduce(np.intersect1d, [result.rows for result in results])


def score(results: Sequence[Probed], labelled: Labelled, seed: int = 0) -> list[SystemScore]:
    """The figures with their intervals over test photographs: all systems on the photographs that all of them could
    read, and on the same resampled sets of these. Raises DataError where there is none."""
    rows = _common(results)
    if not len(rows):
        raise DataError("no photograph to test on was read at the sizes of all systems; expected some")
    ranks = [result.ranks[np.searchsorted(result.rows, rows)] for result in results]
    columns: dict[str, NDArray[Any]] = {}
    for result, found in zip(results, ranks, strict=True):
        for number, stage in enumerate(result.shapes):
            own = _column(result, stage)
            columns[f"{own} top-1"] = found[:, number] == 0
            columns[f"{own} top-5"] = found[:, number] < TOP
            for baseline, other, other_ranks in _baselines(result, results, ranks):
                before = other_ranks[:, list(other.shapes).index(stage)] == 0
                columns[f"{own} over {baseline}"] = columns[f"{own} top-1"].astype(float) - before
    values = 100 * np.stack([column.astype(np.float64) for column in columns.values()], 1)
    figures = intervals(lambda counts: counts @ values / len(rows), list(columns), len(rows), seed)
    five = len(labelled.classes) > TOP
    return [
        SystemScore(
            result.subject.name,
            result.subject.kind,
            result.subject.network,
            result.subject.size,
            result.subject.note,
            {
                stage: StageScore(
                    channels,
                    side,
                    figures[f"{_column(result, stage)} top-1"],
                    figures[f"{_column(result, stage)} top-5"] if five else None,
                    100 * float(training),
                    {
                        baseline: figures[f"{_column(result, stage)} over {baseline}"]
                        for baseline, _, _ in _baselines(result, results, ranks)
                    },
                )
                for (stage, (channels, side, _)), training in zip(
                    result.shapes.items(), result.training_top_1, strict=True
                )
            },
        )
        for result in results
    ]


def _column(result: Probed, stage: str) -> str:
    return f"{result.subject.name}\0{stage}"


def _baselines(
    result: Probed, results: Sequence[Probed], ranks: Sequence[NDArray[Any]]
) -> list[tuple[str, Probed, NDArray[Any]]]:
    """(kind, result, ranks) of the untrained forms of the same network at the same size; none for a baseline."""
    if result.subject.kind != "checkpoint":
        return []
    own = (result.subject.network, result.subject.size)
    return [
        (other.subject.kind, other, found)
        for other, found in zip(results, ranks, strict=True)
        if other.subject.kind in UNTRAINED and (other.subject.network, other.subject.size) == own
    ]

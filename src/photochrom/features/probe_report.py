"""The report of a probe: probe.json, probe.csv and the plot, probe.png and probe.svg."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .. import __version__
from ..atomic_file import part_file, refuse_existing
from ..errors import DataError, OutputError
from ..evaluation.bootstrap import intervals
from ..evaluation.results import Interval
from .labelled import Labelled
from .probe import Probed
from .subjects import UNTRAINED

FILES = ("probe.json", "probe.csv", "probe.png", "probe.svg")
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
    """What was probed, how, and what came of it."""

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


def table(report: ProbeReport) -> list[list[str]]:
    """Rows of text for probe.csv: a header, then a row a system and stage; figures with the ends of their intervals."""
    figures = ["top_1", "top_5", *(f"over_{kind}" for kind in UNTRAINED)]
    header = ["system", "kind", "network", "size", "stage", "channels", "side", "numbers", "training_top_1"]
    rows = [header + [f"{name}{end}" for name in figures for end in ("", "_low", "_high")]]
    for system in report.systems:
        for stage, found in system.stages.items():
            row = [system.name, system.kind, system.network, str(system.size), stage]
            row += [str(found.channels), str(found.side), str(found.numbers), f"{found.training_top_1:.3f}"]
            for figure in (found.top_1, found.top_5, *(found.over.get(kind) for kind in UNTRAINED)):
                row += ["", "", ""] if figure is None else [f"{v:.3f}" for v in (figure.value, figure.low, figure.high)]
            rows.append(row)
    return rows


def require_matplotlib() -> None:
    """ImportError where the plot could not be drawn: before hours of work."""
    import matplotlib  # noqa: F401


def refuse_report(folder: Path, overwrite: bool = False) -> None:
    """OutputError where a file of the report is in `folder` already, or `folder` is a file: before hours of work."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(folder, "is a file", "expected a folder for the report")
    for name in FILES:
        refuse_existing(folder / name, overwrite)


def write(report: ProbeReport, folder: Path, overwrite: bool = False) -> None:
    """Write FILES into `folder`, which is made. Raises OutputError."""
    from ..evaluation.plot_style import png, svg
    from .probe_plot import draw

    refuse_report(folder, overwrite)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(folder, f"could not be made ({error.strerror})", "choose another folder with -o") from error
    figure = draw(report)
    rows = io.StringIO()
    csv.writer(rows, lineterminator="\n").writerows(table(report))
    contents = (_json(report), rows.getvalue().encode(), png(figure), svg(figure))
    for name, content in zip(FILES, contents, strict=True):
        with part_file(folder / name, overwrite=overwrite) as part:
            part.write_bytes(content)


def _json(report: ProbeReport) -> bytes:
    content = asdict(report)
    content["chance"] = report.chance
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "surrogateescape")

"""photochrom evaluate: models and baselines measured on colour photographs."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..evaluation.report import Evaluation, Progress
    from ..evaluation.systems import System

REDIRECTED_WIDTH = 180  # columns of the tables where they do not go to a terminal


def evaluate(
    data: Annotated[Path, typer.Option(help="Folder of colour photographs.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for report.json and report.md.")],
    model: Annotated[list[str] | None, typer.Option(help="Model name or ONNX file; may be repeated.")] = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option(help="grey, constant, lightness-table, random or truth; may be repeated."),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="CSV: file, imagenet_class. [default: labels.csv in DATA, where it exists]")
    ] = None,
    half: Annotated[str, typer.Option(help="even, odd or all photographs, by position in sorted order.")] = "all",
    semantic: Annotated[bool, typer.Option(help="Classify the labelled photographs as well.")] = True,
    temperature: Annotated[
        list[float] | None, typer.Option(help="Of the models' annealed mean; may be repeated. [default: the model's]")
    ] = None,
    saturation: Annotated[
        list[float] | None, typer.Option(help="Chroma scale of the models' colours; may be repeated. [default: 1]")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="At most so many photographs, evenly spread.")] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads. [default: all cores]")] = None,
    seed: Annotated[int, typer.Option(help="Of the bootstrap and of the random baseline.")] = 0,
) -> None:
    """Measure models and baselines on colour photographs: AuC, rebalanced AuC, gain@1, colourfulness, classification.

    Fitted baselines (constant, lightness-table) are always fitted on the even half: report on --half odd.
    """
    from ..errors import SettingError
    from ..evaluation import photographs, report
    from ..evaluation.baselines import make_baseline

    if not model and not baseline:
        raise SettingError("nothing to evaluate; expected at least one --model or --baseline")
    everything = photographs.list_photographs(data)
    chosen = photographs.spread(photographs.take_half(everything, half), limit)
    table = labels or (data / "labels.csv" if (data / "labels.csv").is_file() else None)
    known = photographs.read_labels(table, data) if table and semantic else None

    systems: list[System] = []
    for name, file in _names(model or []).items():
        systems += _model_systems(name, file, temperature or [None], saturation or [1.0], threads)
    even = photographs.take_half(everything, "even")
    systems = [make_baseline(name, even, seed) for name in dict.fromkeys(baseline or [])] + systems

    classifier = None
    if known:
        from ..evaluation.semantic import EfficientNetLite2

        classifier = EfficientNetLite2(threads)
    evaluation = report.evaluate(
        chosen,
        systems,
        folder=data,
        half=half,
        labels=known,
        classifier=classifier,
        command=shlex.join(["photochrom", *sys.argv[1:]]),
        seed=seed,
        progress=_progress(),
    )
    report.write(evaluation, output)
    _show(evaluation, output)


def _names(models: list[str]) -> dict[str, str]:
    """What to call each model in the report: the end of its path, or all of it where two would share a name."""
    ends = [Path(model).stem if Path(model).suffix == ".onnx" else model for model in models]
    return {end if ends.count(end) == 1 else model: model for end, model in zip(ends, models, strict=True)}


def _model_systems(
    name: str, file: str, temperatures: Sequence[float | None], saturations: list[float], threads: int | None
) -> list[System]:
    from ..colorizer import load
    from ..evaluation.systems import ModelSystem, Saturated

    colorizer = load(file, threads=threads)
    systems: list[System] = []
    for temperature in dict.fromkeys(temperatures):
        base = ModelSystem(name, colorizer, temperature)  # shared by the saturations: one prediction a photograph
        systems += [base if factor == 1 else Saturated(base, factor) for factor in dict.fromkeys(saturations)]
    return systems


def _progress() -> Progress:
    from rich.console import Console

    console = Console(stderr=True)

    def show(what: str, done: int, total: int) -> None:
        if console.is_terminal:
            console.print(f"{what}: {done}/{total}", end="\r" if done < total else "\n")
        elif done == total:
            console.print(f"{what}: {total} photographs")

    return show


def _show(evaluation: Evaluation, output: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    from ..evaluation import report

    console = Console()
    if not console.is_terminal:
        console.width = REDIRECTED_WIDTH
    tables = [(f"{evaluation.data}, half: {evaluation.half}", evaluation.photographs, report.colour_rows(evaluation))]
    if evaluation.semantic:
        tables.append((str(evaluation.classifier), evaluation.labelled, report.semantic_rows(evaluation)))
    for title, number, (header, *body) in tables:
        table = Table(*header, title=f"{title}, {number} photographs")
        for row in body:
            table.add_row(*row)
        console.print(table)
    console.print(f"The originals' colourfulness: {report.original_colourfulness(evaluation)}")
    console.print(f"Report: {output / 'report.md'}")

"""photochrom evaluate: models and baselines measured on colour photographs."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .stages import stage_bars

if TYPE_CHECKING:
    from rich.table import Table

    from ..evaluation.results import Evaluation
    from ..evaluation.systems import System

WIDTH = 220  # columns of the tables where they do not go to a terminal


def evaluate(
    data: Annotated[Path, typer.Option(help="Folder of colour photographs.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for report.html, .json, .csv and .md.")],
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
    classifier: Annotated[
        str | None, typer.Option(help="efficientnet-lite2, vgg16 or an ONNX file. [default: efficientnet-lite2]")
    ] = None,
    judge: Annotated[bool, typer.Option("--judge", help="Train a classifier to tell coloured from real.")] = False,
    temperature: Annotated[
        list[float] | None, typer.Option(help="Of the models' annealed mean; may be repeated. [default: the model's]")
    ] = None,
    saturation: Annotated[
        list[float] | None, typer.Option(help="Chroma scale of the models' colours; may be repeated. [default: 1]")
    ] = None,
    aged: Annotated[
        bool,
        typer.Option("--aged", help="The models also on old prints: orthochromatic, grainy, faded."),
    ] = False,
    limit: Annotated[int | None, typer.Option(help="At most this many photographs, evenly spaced.")] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads. [default: all cores]")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap and all random choices.")] = 0,
    html: Annotated[bool, typer.Option(help="Write report.html, with plots and pictures.")] = True,
    costs: Annotated[bool, typer.Option(help="Measure the models' speed and memory.")] = True,
    fresh: Annotated[bool, typer.Option("--fresh", help="Neither read nor write cached results.")] = False,
) -> None:
    """Measure models and baselines on colour photographs: Table 1 of the paper, with intervals, plots and pictures.

    Results are cached: an interrupted run continues where it stopped, and a later run computes only what is
    new. Fitted baselines (constant, lightness-table) are always fitted on the even half: report on --half odd.
    """
    from ..errors import SettingError
    from ..evaluation import photographs
    from ..evaluation.baselines import make_baseline
    from ..evaluation.evaluate import evaluate as measured
    from ..evaluation.judges.classifiers import make_classifier
    from ..evaluation.report import files as report
    from ..models import cache_folder

    if html:
        from ..evaluation.report.html import require_libraries

        require_libraries()
    if not model and not baseline:
        raise SettingError("nothing to evaluate; expected at least one --model or --baseline")
    everything = photographs.list_photographs(data)
    chosen = photographs.spread(photographs.take_half(everything, half), limit)
    table = labels or (data / "labels.csv" if (data / "labels.csv").is_file() else None)
    known = photographs.read_labels(table, data) if table and semantic else None
    if classifier and not known:
        raise SettingError(
            f"classifier is {classifier!r}, but no photograph is labelled; expected --labels CSV as well"
        )

    systems: list[System] = []
    for name, file in _names(model or []).items():
        systems += _model_systems(name, file, temperature or [None], saturation or [1.0], threads, aged)
    even = photographs.take_half(everything, "even")
    systems = [make_baseline(name, even, seed) for name in dict.fromkeys(baseline or [])] + systems
    report.make_folder(output)  # now, not after an hour
    with stage_bars("photographs") as progress:
        evaluation = measured(
            chosen,
            systems,
            folder=data,
            half=half,
            labels=known,
            classifier=make_classifier(classifier, threads) if known else None,
            judged=judge,
            costs=costs,
            threads=threads,
            command=shlex.join(["photochrom", *sys.argv[1:]]),
            seed=seed,
            cache=None if fresh else cache_folder() / "evaluations",
            progress=progress,
        )
        report.write(evaluation, output)  # before the pictures: they take a while
        if html:
            from ..evaluation.report.html import write_html
            from ..evaluation.report.illustrations import illustrate

            illustrations = illustrate(evaluation, systems, data, seed=seed, progress=progress)
            write_html(evaluation, illustrations, output / "report.html", overwrite=True)
    _show(evaluation, output / ("report.html" if html else "report.md"))
    if any(system.failed for system in evaluation.systems) or len(evaluation.unreadable):
        raise typer.Exit(1)


def _names(models: list[str]) -> dict[str, str]:
    """What to call each model in the report: the end of its path, or all of it where two would share a name."""
    ends = [Path(model).stem if Path(model).suffix == ".onnx" else model for model in models]
    return {end if ends.count(end) == 1 else model: model for end, model in zip(ends, models, strict=True)}


def _model_systems(
    name: str,
    file: str,
    temperatures: Sequence[float | None],
    saturations: list[float],
    threads: int | None,
    aged: bool,
) -> list[System]:
    from ..colorizer import load
    from ..evaluation.systems import ModelSystem, Saturated

    colorizer = load(file, threads=threads)
    systems: list[System] = []
    for temperature in dict.fromkeys(temperatures):
        bases: list[System] = [ModelSystem(name, colorizer, temperature)]
        if aged:
            from ..evaluation.old_prints import OldPrint

            bases.append(OldPrint(bases[0]))
        for base in bases:  # shared by the saturations: one prediction a photograph
            systems += [base if factor == 1 else Saturated(base, factor) for factor in dict.fromkeys(saturations)]
    return systems


def _show(evaluation: Evaluation, target: Path) -> None:
    """The tables, without intervals where the terminal is too narrow for them."""
    from rich.console import Console

    from ..evaluation.report import files as report

    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    number = f"{len(evaluation.names)} photographs"
    tables = [(f"{evaluation.data}, half: {evaluation.half}, {number}", report.colour_rows(evaluation))]
    if evaluation.labelled:
        title = f"{evaluation.classifier}, {evaluation.labelled} labelled photographs"
        tables.append((title, report.semantic_rows(evaluation)))
    tables += [("Other judges", report.other_rows(evaluation)), ("Cost", report.cost_rows(evaluation))]
    shortened = False
    for title, rows in tables:
        if len(rows) == 1:
            continue
        if _width(rows) > console.width:
            rows, shortened = [[cell.split(" [")[0] for cell in row] for row in rows], True
        console.print(_table(title, rows))
    if shortened:
        console.print("The intervals do not fit here; they are in the report.")
    console.print(f"The originals' colourfulness: {report.original_colourfulness(evaluation)}")
    for line in [*report.left_out(evaluation), *[evaluation.judge_note] * bool(evaluation.judge_note)]:
        console.print(line, markup=False, highlight=False)
    console.print(f"Report: {target}", soft_wrap=True)


def _table(title: str, rows: list[list[str]]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(*rows[0], title=title)
    for row in rows[1:]:
        table.add_row(*map(escape, row))
    return table


def _width(rows: list[list[str]]) -> int:
    """Columns that a table of these rows needs without breaking a cell."""
    return sum(max(map(len, column)) + 3 for column in zip(*rows, strict=True)) + 1

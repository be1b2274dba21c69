"""photochrom study: the colourisation Turing test. `build` and `report` are here, what serves it in study_server."""

from __future__ import annotations

import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .stages import stage_bars
from .study_server import DatabaseUrl, delete_participant, export_answers, import_answers, serve

if TYPE_CHECKING:
    from ..evaluation.systems import System
    from ..study.plan import Study
    from ..study.records import Trial

app = typer.Typer()

_Study = Annotated[Path, typer.Argument(metavar="STUDY", help="The folder that `study build` made.")]


@app.command()
def build(
    data: Annotated[Path, typer.Option(help="Folder of colour photographs.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="STUDY", help="The folder to make.")],
    model: Annotated[list[str] | None, typer.Option(help="Model name or ONNX file; may be repeated.")] = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option(
            help="constant, lightness-table, random, or truth (a control: both pictures are the real one, so that "
            "people can only guess); may be repeated. Not grey: beside colour everybody would see it."
        ),
    ] = None,
    half: Annotated[str, typer.Option(help="even, odd or all photographs, by position in sorted order.")] = "all",
    limit: Annotated[int | None, typer.Option(help="At most this many photographs. [default: all]")] = None,
    title: Annotated[str | None, typer.Option(help="What participants see at the top of the page.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the photographs, their order, the sides and random.")] = 0,
    threads: Annotated[int | None, typer.Option(help="CPU threads. [default: all cores]")] = None,
) -> None:
    """Make a study: photographs coloured by each model, to be shown beside the real ones.

    Photographs that are unreadable, too small, nearly grey or copies, and those that a model fails on, are left out
    and named. A session shows 10 pairs for practice and 40 that are judged; 60 photographs are the least.
    """
    from ..evaluation.photographs import list_photographs, take_half
    from ..study import build as building
    from ..study.wording import counted

    building.check_baselines(baseline or [])
    everything = list_photographs(data)
    systems = _systems(model or [], baseline or [], everything, threads, seed)
    settings = building.Settings(title=title or building.Settings.title, seed=seed, limit=limit)
    paths = take_half(everything, half)
    with stage_bars("photographs") as progress:
        study = building.build_study(
            paths, systems, output, settings, folder=data, progress=partial(progress, "colouring")
        )
    for name, reason in study.left_out.items():
        _say(f"left out: {name}: {reason}")
    left_out = f"; left out {len(study.left_out)}: {building.summary(study.left_out)}" if study.left_out else ""
    _say(f"{output}: {counted(len(study.photographs), 'photograph')} by {', '.join(study.algorithms)}{left_out}")
    _say(f"Next: photochrom study serve {shlex.quote(str(output))}")


@app.command()
def report(
    study: _Study,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="REPORT", help="Folder for report.html, report.csv, report.json.")
    ],
    answers: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Exported answers (JSON or CSV) instead of the study's; may be repeated."),
    ] = None,
    database_url: DatabaseUrl = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing report.")] = False,
) -> None:
    """How often each model's photographs were taken for real, with 95% intervals."""
    from ..study import report as reporting
    from ..study.analysis import analyse
    from ..study.plan import load_study

    reporting.refuse_existing_report(output, overwrite)
    plan = load_study(study)
    trials = _trials(answers or [], database_url or study, plan)
    analysis = analyse(plan, trials)
    command = shlex.join(["photochrom", *sys.argv[1:]])
    reporting.write_report(analysis, plan, study, output, command=command, overwrite=overwrite)
    for line in reporting.lines(analysis):
        typer.echo(line)
    _say(f"Report: {output / reporting.HTML}")


app.command("serve")(serve)
app.command("export")(export_answers)
app.command("import")(import_answers)
app.command("delete")(delete_participant)


def _systems(
    models: list[str], baselines: list[str], everything: list[Path], threads: int | None, seed: int
) -> list[System]:
    from ..colorizer import load
    from ..evaluation.baselines import make_baseline
    from ..evaluation.photographs import take_half
    from ..evaluation.systems import ModelSystem

    even = take_half(everything, "even")
    systems: list[System] = [make_baseline(name, even, seed) for name in dict.fromkeys(baselines)]
    for name in dict.fromkeys(models):
        stem = Path(name).stem if Path(name).suffix == ".onnx" else name
        systems.append(ModelSystem(stem, load(name, threads=threads)))
    return systems


def _trials(files: list[Path], source: Path | str, study: Study) -> list[Trial]:
    """The answers in the files; where none are named, those in the study's folder or database."""
    from ..study import answers_file

    if not files:
        from ..study.store import read_trials

        return read_trials(source, study)
    trials = [trial for file in files for trial in answers_file.read(file, study.identity)]
    answers_file.check(trials, ", ".join(map(str, files)))
    return trials


def _say(text: str) -> None:
    typer.echo(text, err=True)

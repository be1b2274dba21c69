"""photochrom probe: linear classifiers on a network's frozen features."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .stages import stage_bars

if TYPE_CHECKING:
    from ..features.probe_report import ProbeReport

REDIRECTED_WIDTH = 220  # columns of the table where it does not go to a terminal
NAMED = 5  # unreadable photographs that are shown


def probe(
    checkpoint: Annotated[
        list[Path],
        typer.Argument(help="Runs of `photochrom train`, .ckpt files, or eccv16's weights (.pth, .safetensors)."),
    ],
    data: Annotated[
        str, typer.Option(help="Photographs with classes: class folders, .tar shards, Parquet, a hub's data set id.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for probe.json, .csv, .png and .svg.")],
    baseline: Annotated[
        list[str] | None,
        typer.Option(help="gaussian, kmeans, supervised or supervised-colour; may be repeated."),
    ] = None,
    test_data: Annotated[
        str | None, typer.Option(help="Photographs to test on. [default: a fifth of DATA, by the hash of the key]")
    ] = None,
    only: Annotated[str | None, typer.Option(metavar="REGEX", help="Use photographs with this in their key.")] = None,
    class_from_key: Annotated[
        str | None, typer.Option(metavar="REGEX", help="Its group is the class. [default: .cls, folder or s-CLASS-n]")
    ] = None,
    label_column: Annotated[
        str | None, typer.Option(help="Of Parquet. [default: label, or the only ClassLabel]")
    ] = None,
    least: Annotated[int, typer.Option(help="Leave out classes with fewer photographs.")] = 10,
    limit: Annotated[int | None, typer.Option(help="At most this many photographs, evenly drawn.")] = None,
    split: Annotated[str, typer.Option(help="test, or validation: to choose settings by.")] = "test",
    size: Annotated[
        int | None, typer.Option(help="Input's side in pixels. [default: as each checkpoint was trained]")
    ] = None,
    supervised_size: Annotated[
        int | None, typer.Option(help="The same of the supervised baselines. [default: the checkpoints' largest]")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Visits of each photograph. [default: 10]")] = None,
    lr: Annotated[float | None, typer.Option(help="First learning rate of the classifiers. [default: 0.001]")] = None,
    mirror: Annotated[bool, typer.Option(help="Mirror half of the training photographs; twice the work.")] = True,
    last_step: Annotated[bool, typer.Option("--last-step", help="The last step's weights, not the averaged.")] = False,
    workers: Annotated[int, typer.Option(min=0, help="Processes that decode photographs.")] = 1,
    store: Annotated[float, typer.Option(help="GB of disk to keep features in for the while.")] = 20.0,
    seed: Annotated[int, typer.Option(help="Of the initialisations, the order and the bootstrap.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads. [default: all cores]")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Neither read nor write cached results.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing report.")] = False,
) -> None:
    """Measure what networks have learnt, by linear classifiers on the frozen features of each of their stages: figure 7
    of the paper, with intervals.

    Each network's figures are kept in the cache folder when they are there: a run that is interrupted goes on with the
    next network.
    """
    import torch

    from ..features.labelled import Selection, find_labelled
    from ..features.linear_probe import ProbeSettings
    from ..features.probe import FeatureSettings
    from ..features.probe import probe as probed
    from ..features.probe_files import refuse_report, require_matplotlib, write
    from ..features.probe_report import make_report
    from ..features.subjects import find_subjects
    from ..models import cache_folder

    started = time.monotonic()
    require_matplotlib()  # now, not after an hour
    refuse_report(output, overwrite)
    if threads is not None:
        torch.set_num_threads(threads)
    given = {"epochs": epochs, "lr": lr}
    settings = ProbeSettings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    features = FeatureSettings(mirror=mirror, seed=seed, workers=workers, store=store)
    selection = Selection(only, least, limit, split, class_from_key, label_column)
    with stage_bars() as progress:
        labelled = find_labelled(data, selection, test_data)
        subjects = find_subjects(
            checkpoint, baseline or [], labelled, size=size, supervised_size=supervised_size, averaged=not last_step,
            seed=seed,
        )  # fmt: skip
        cache = None if fresh else cache_folder() / "probes"
        results = probed(subjects, labelled, settings, features, cache=cache, progress=progress)
    report = make_report(
        results,
        labelled,
        data=data if test_data is None else f"{data}, tested on {test_data}",
        split=split,
        command=shlex.join(["photochrom", *sys.argv[1:]]),
        settings=(settings, features, selection),
        seconds=time.monotonic() - started,
        seed=seed,
    )
    write(report, output, overwrite)
    _show(report, output)
    if report.unreadable:
        raise typer.Exit(1)


def _show(report: ProbeReport, folder: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        console.width = REDIRECTED_WIDTH
    counts = f"{report.training_photographs} photographs to train on, {report.test_photographs} to test on"
    console.print(f"{report.classes} classes, {counts}; chance: {report.chance:.2f}%")
    for stages in dict.fromkeys(tuple(system.stages) for system in report.systems):
        table = Table("top-1 % of", *stages)
        for system in report.systems:
            if tuple(system.stages) == stages:
                cells = (found.top_1 for found in system.stages.values())
                table.add_row(system.name, *(f"{c.value:.1f} [{c.low:.1f}, {c.high:.1f}]" for c in cells))
        console.print(table)
    for why, count in report.left_out.items():
        console.print(f"{count} left out: {why}", highlight=False, markup=False)
    if report.unreadable:
        named = ", ".join(list(report.unreadable)[:NAMED])
        more = " ..." if len(report.unreadable) > NAMED else ""
        console.print(f"{len(report.unreadable)} unreadable, left out: {named}{more}", highlight=False, markup=False)
    console.print(f"Report: {folder / 'probe.png'}", highlight=False, markup=False)

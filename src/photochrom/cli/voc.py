"""photochrom voc: PASCAL VOC by fine-tuning a network that learnt to colour."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.progress import TaskID

    from ..features.voc.experiment import Experiment, Show, Task
    from ..features.voc.proposals import Proposals
    from ..features.voc.report import Results

app = typer.Typer()
LINE_EVERY = 60.0  # seconds, where stderr is no terminal
NAMED = 5  # photographs left out that are named on the screen; results.json has all


class Tune(StrEnum):
    FC8 = "fc8"
    FC6_8 = "fc6-8"
    ALL = "all"


class Input(StrEnum):
    GREY = "grey"
    COLOUR = "colour"


class Weights(StrEnum):
    TRAINED = "trained"
    GAUSSIAN = "gaussian"
    KMEANS = "kmeans"


Checkpoint = Annotated[
    str,
    typer.Argument(help="A run of `photochrom train`, its .ckpt, eccv16's .pth or .safetensors; or: supervised."),
]
Data = Annotated[Path, typer.Option(help="A VOCdevkit, or any set in its layout.")]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="REPORT", help="Folder for the results and weights.")]
Train = Annotated[str, typer.Option(help="Split to train on: a file of ImageSets.")]
Test = Annotated[str, typer.Option(help="Split to test on.")]
Year = Annotated[str, typer.Option(help="Of the folder: VOC2007 or VOC2012.")]
Classes = Annotated[Path | None, typer.Option(help="File with a class a line. [default: VOC's 20]")]
InputOption = Annotated[Input, typer.Option("--input", help="colour: a and b too, by weights that start at 0.")]
WeightsOption = Annotated[
    Weights, typer.Option("--weights", help="gaussian, kmeans: the checkpoint's network, untrained, to compare with.")
]
Rescale = Annotated[bool, typer.Option(help="Absorb batch norms and rescale the layers before.")]
Stage = Annotated[str | None, typer.Option(help="Stage of the trunk to read. [default: the deepest that fits]")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting: steps=1000, lr=1e-4.")
]
Workers = Annotated[int, typer.Option(min=0, help="Processes that read photographs.")]
Seed = Annotated[int, typer.Option(min=0, help="Of everything random.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with an interrupted training, exactly where it was.")]


@app.command()
def cls(
    checkpoint: Checkpoint,
    data: Data,
    output: Output,
    tune: Annotated[Tune, typer.Option(help="What learns: the last layer, the connected layers, or all.")] = Tune.ALL,
    train: Train = "trainval",
    test: Test = "test",
    year: Year = "2007",
    classes: Classes = None,
    input_: InputOption = Input.GREY,
    weights: WeightsOption = Weights.TRAINED,
    rescale: Rescale = True,
    stage: Stage = None,
    settings: Settings = None,
    workers: Workers = 2,
    seed: Seed = 0,
    resume: Resume = False,
) -> None:
    """Classification: which of the classes are in a photograph. Mean average precision."""
    from ..errors import SettingError
    from ..features.voc.classification import Classification
    from ..features.voc.settings import ClassificationSettings, changed

    if input_ is Input.COLOUR and tune is not Tune.ALL and checkpoint != "supervised":
        raise SettingError(
            f"--input colour with --tune {tune.value}: the first layer's weights for a and b start at 0 and would stay "
            "there, so that this is --input grey; expected --tune all"
        )
    experiment = _experiment(
        checkpoint,
        data,
        output,
        train,
        test,
        year,
        classes,
        input_,
        weights,
        rescale,
        stage,
        workers,
        seed,
        resume,
        tune,
    )
    with _progress() as show:
        _run(Classification(changed(ClassificationSettings(), settings or []), tune.value, seed), experiment, show)


@app.command()
def seg(
    checkpoint: Checkpoint,
    data: Data,
    output: Output,
    train: Train = "train",
    test: Test = "val",
    year: Year = "2012",
    classes: Classes = None,
    input_: InputOption = Input.GREY,
    weights: WeightsOption = Weights.TRAINED,
    rescale: Rescale = True,
    stage: Stage = None,
    settings: Settings = None,
    workers: Workers = 2,
    seed: Seed = 0,
    resume: Resume = False,
) -> None:
    """Segmentation: the class of each pixel, by a fully convolutional network. Mean intersection over union."""
    from ..features.voc.segmentation import Segmentation
    from ..features.voc.settings import SegmentationSettings, changed

    experiment = _experiment(
        checkpoint, data, output, train, test, year, classes, input_, weights, rescale, stage, workers, seed, resume
    )
    with _progress() as show:
        _run(Segmentation(changed(SegmentationSettings(), settings or [])), experiment, show)


@app.command()
def det(
    checkpoint: Checkpoint,
    data: Data,
    output: Output,
    proposals: Annotated[
        list[str],
        typer.Option(help="File of boxes to look in: .npz, .csv, .mat; may be repeated. Or: selective-search."),
    ],
    train: Train = "trainval",
    test: Test = "test",
    year: Year = "2007",
    classes: Classes = None,
    input_: InputOption = Input.GREY,
    weights: WeightsOption = Weights.TRAINED,
    rescale: Rescale = True,
    stage: Stage = None,
    settings: Settings = None,
    workers: Workers = 2,
    seed: Seed = 0,
    resume: Resume = False,
) -> None:
    """Detection: where the objects are, by Fast R-CNN. Mean average precision at an overlap of 0.5."""
    from ..features.voc.detection import Detection
    from ..features.voc.settings import DetectionSettings, changed

    experiment = _experiment(
        checkpoint, data, output, train, test, year, classes, input_, weights, rescale, stage, workers, seed, resume
    )
    with _progress() as show:
        boxes = _proposals(proposals, output, show)
        _run(Detection(changed(DetectionSettings(), settings or []), boxes), experiment, show)


def _experiment(
    checkpoint: str,
    data: Path,
    output: Path,
    train: str,
    test: str,
    year: str,
    classes: Path | None,
    input_: Input,
    weights: Weights,
    rescale: bool,
    stage: str | None,
    workers: int,
    seed: int,
    resume: bool,
    tune: Tune = Tune.ALL,
) -> Experiment:
    from ..features.voc.classes import VOC_CLASSES, read_classes
    from ..features.voc.experiment import Experiment
    from ..features.voc.layout import VocFolder

    return Experiment(
        checkpoint=checkpoint,
        folder=VocFolder(data, year, read_classes(classes) if classes else VOC_CLASSES),
        train=train,
        test=test,
        output=output,
        weights=weights.value,
        colour=input_ is Input.COLOUR,
        rescale=rescale,
        stage=stage,
        tune=tune.value,
        seed=seed,
        workers=workers,
        resume=resume,
        command=shlex.join(["photochrom", *sys.argv[1:]]),
    )


def _proposals(given: list[str], output: Path, show: Show) -> Callable[[Mapping[str, Path]], Proposals]:
    """What gives the boxes of photographs: the files together, or a search, whose boxes stay in the report's folder."""
    from ..errors import SettingError
    from ..features.voc import proposals

    if proposals.SEARCH not in given:
        return lambda photographs: proposals.read_proposals([Path(each) for each in given], list(photographs))
    if len(given) > 1:
        raise SettingError(f"--proposals is {', '.join(given)}; expected files, or {proposals.SEARCH} alone")
    proposals.require_search()  # now, not after the photographs were looked at

    def done(number: int, total: int) -> None:
        show("searching for boxes", number, total, None)

    return lambda photographs: proposals.search_proposals(photographs, output / "proposals", done)


def _run(task: Task, experiment: Experiment, show: Show) -> None:
    from ..features.voc.experiment import run
    from ..features.voc.fine_tuning import Stopped

    try:
        results = run(task, experiment, show)
    except Stopped as stopped:
        print(f"stopped; go on with the same command and --resume: {experiment.command}", file=sys.stderr)
        raise typer.Exit(stopped.code) from stopped
    _show(results, experiment.output)
    if results.left_out:
        raise typer.Exit(1)


@contextmanager
def _progress() -> Iterator[Show]:
    """A bar on a terminal; elsewhere a line a minute, and one when a stage is over."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bars: dict[str, TaskID] = {}
    last = time.monotonic()
    with Progress(*columns, console=console, disable=not console.is_terminal) as shown:

        def show(what: str, done: int, total: int, loss: float | None) -> None:
            nonlocal last
            text = what if loss is None else f"{what}, loss {loss:.3f}"
            if what not in bars:
                bars[what] = shown.add_task(text, total=total)
            shown.update(bars[what], completed=done, total=total, description=text)
            now = time.monotonic()
            if not console.is_terminal and (done == total or now - last >= LINE_EVERY):
                last = now
                print(f"{text}: {done} of {total}", file=sys.stderr, flush=True)

        yield show


def _show(results: Results, folder: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    rows = [*results.scores.classes, {"class": "mean", **results.scores.means}]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    data = results.data
    title = (
        f"{data['folder']} {data['test']}, {data['test_photographs']} photographs, {results.network}, {results.input}"
    )
    table = Table(*(column.replace("_", " ") for column in columns), title=title)
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    Console().print(table)
    if results.left_out:
        names = list(results.left_out)
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        print(f"{len(names)} photographs could not be read and were left out: {', '.join(names[:NAMED])}{more}")
    print(f"Report: {folder / 'results.json'}")


def _cell(value: object) -> str:
    """Shares in %."""
    if isinstance(value, float):
        return "-" if value != value else f"{100 * value:.1f}"
    return "" if value is None else str(value)

"""photochrom voc: fine-tune a network trained for colourisation on PASCAL VOC."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, fields
from enum import StrEnum
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

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


@dataclass(frozen=True)
class Shared:
    """The options of all three commands. The splits and the year have defaults of their own in each."""

    checkpoint: Annotated[
        str,
        typer.Argument(help="A run of `photochrom train`, its .ckpt, eccv16's .pth or .safetensors; or: supervised."),
    ]
    data: Annotated[Path, typer.Option(help="A VOCdevkit, or any set in its layout.")]
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="REPORT", help="Folder for the results and weights.")
    ]
    train: Annotated[str, typer.Option(help="Split to train on: a file of ImageSets.")]
    test: Annotated[str, typer.Option(help="Split to test on.")]
    year: Annotated[str, typer.Option(help="Of the folder: VOC2007 or VOC2012.")]
    classes: Annotated[Path | None, typer.Option(help="File with a class a line. [default: VOC's 20]")] = None
    input_: Annotated[Input, typer.Option("--input", help="colour: a and b too, by weights that start at 0.")] = (
        Input.GREY
    )
    weights: Annotated[
        Weights, typer.Option(help="gaussian, kmeans: the checkpoint's network, untrained, to compare with.")
    ] = Weights.TRAINED
    rescale: Annotated[bool, typer.Option(help="Absorb batch norms and rescale the layers before.")] = True
    stage: Annotated[str | None, typer.Option(help="Stage of the trunk to read. [default: the deepest that fits]")] = (
        None
    )
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting: steps=1000, lr=1e-4.")
    ] = None
    workers: Annotated[int, typer.Option(min=0, help="Processes that read photographs.")] = 2
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an interrupted training exactly where it stopped.")
    ] = False

    def experiment(self, tune: str = "all") -> Experiment:
        from ..features.voc.classes import VOC_CLASSES, read_classes
        from ..features.voc.experiment import Experiment
        from ..features.voc.layout import VocFolder

        return Experiment(
            checkpoint=self.checkpoint,
            folder=VocFolder(self.data, self.year, read_classes(self.classes) if self.classes else VOC_CLASSES),
            train=self.train,
            test=self.test,
            output=self.output,
            weights=self.weights.value,
            colour=self.input_ is Input.COLOUR,
            rescale=self.rescale,
            stage=self.stage,
            tune=tune,
            seed=self.seed,
            workers=self.workers,
            resume=self.resume,
            command=shlex.join(["photochrom", *sys.argv[1:]]),
        )


def _command(train: str, test: str, year: str) -> Callable[[Callable[..., None]], None]:
    """Makes a command of a function (shared, options of its own): Typer sees Shared's options, then its own."""
    defaults = {"train": train, "test": test, "year": year}
    hints = get_type_hints(Shared, include_extras=True)

    def option(name: str, hint: object, default: object) -> Parameter:
        default = Parameter.empty if default is MISSING else default
        return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=hint)

    def register(function: Callable[..., None]) -> None:
        def command(**given: Any) -> None:
            function(Shared(**{each.name: given.pop(each.name) for each in fields(Shared)}), **given)

        shared = [option(each.name, hints[each.name], defaults.get(each.name, each.default)) for each in fields(Shared)]
        own_hints = get_type_hints(function, include_extras=True)
        _, *own = signature(function).parameters.values()
        options = shared + [
            option(each.name, own_hints[each.name], MISSING if each.default is Parameter.empty else each.default)
            for each in own
        ]
        command.__signature__ = Signature(options)  # type: ignore[attr-defined]
        command.__annotations__ = {each.name: each.annotation for each in options}
        command.__doc__ = function.__doc__
        app.command(function.__name__)(command)

    return register


@_command(train="trainval", test="test", year="2007")
def cls(
    shared: Shared,
    tune: Annotated[Tune, typer.Option(help="Layers to train: the last, the connected ones, or all.")] = Tune.ALL,
) -> None:
    """Classification: which of the classes are in a photograph. Mean average precision."""
    from ..errors import SettingError
    from ..features.voc.classification import Classification
    from ..features.voc.settings import ClassificationSettings, changed

    if shared.input_ is Input.COLOUR and tune is not Tune.ALL and shared.checkpoint != "supervised":
        raise SettingError(
            f"--input colour with --tune {tune.value}: the first layer's weights for a and b start at 0 and would stay "
            "there, so that this is --input grey; expected --tune all"
        )
    experiment = shared.experiment(tune.value)
    settings = changed(ClassificationSettings(), shared.settings or [])
    with _progress() as show:
        _run(Classification(settings, tune.value, shared.seed), experiment, show)


@_command(train="train", test="val", year="2012")
def seg(shared: Shared) -> None:
    """Segmentation: the class of each pixel, by a fully convolutional network. Mean intersection over union."""
    from ..features.voc.segmentation import Segmentation
    from ..features.voc.settings import SegmentationSettings, changed

    experiment = shared.experiment()
    with _progress() as show:
        _run(Segmentation(changed(SegmentationSettings(), shared.settings or [])), experiment, show)


@_command(train="trainval", test="test", year="2007")
def det(
    shared: Shared,
    proposals: Annotated[
        list[str],
        typer.Option(help="File of boxes to look in: .npz, .csv, .mat; may be repeated. Or: selective-search."),
    ],
) -> None:
    """Detection: where the objects are, by Fast R-CNN. Mean average precision at an overlap of 0.5."""
    from ..features.voc.detection import Detection
    from ..features.voc.settings import DetectionSettings, changed

    experiment = shared.experiment()
    with _progress() as show:
        boxes = _proposals(proposals, shared.output, show)
        _run(Detection(changed(DetectionSettings(), shared.settings or []), boxes), experiment, show)


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

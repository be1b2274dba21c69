"""`photochrom models`: list models, describe one, fetch and import others."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ModelError, SettingError
from ..models import FETCHABLE, ModelInfo, cache_folder, find_model, known_models, read_info

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Progress

    from ..foreign.weights import Imported

app = typer.Typer()

_AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]
_Photographs = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Colour photographs to measure on whether eccv16's temperature is folded in. [default: scikit-image's]",
    ),
]
_Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")]


@app.command("list")
def list_command(as_json: _AsJson = False) -> None:
    """The models that come with photochrom, and those that were fetched."""
    infos: list[ModelInfo] = []
    errors: list[str] = []
    for path in known_models().values():
        try:
            infos.append(read_info(path))
        except ModelError as refused:  # of one fetched long ago, perhaps: the others are still there
            errors.append(str(refused))
    if as_json:
        for info in infos:
            typer.echo(json.dumps(_fields(info)))
    else:
        rows = [("NAME", "VERSION", "SIZE", "LICENCE", "TRAINED ON")]
        rows += [(i.path.stem, i.version, f"{i.bytes / 1e6:.1f} MB", i.licence, i.training_data) for i in infos]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        for row in rows:
            typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for error in errors:
        typer.echo(f"Error: {error}", err=True)
    if errors:
        raise typer.Exit(1)


@app.command("info")
def info_command(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A name from `models list`, or an ONNX file.")],
    as_json: _AsJson = False,
) -> None:
    """Describe one model: data, licence, scores, checksum."""
    fields = _fields(read_info(find_model(name)))
    if as_json:
        typer.echo(json.dumps(fields))
        return
    scores = fields.pop("scores")
    lines = {**fields, **{f"scores: {key}": value for key, value in scores.items()}}
    width = max(map(len, lines))
    for key, value in lines.items():
        typer.echo(f"{key.ljust(width)}  {value}")


@app.command("fetch")
def fetch_command(
    name: Annotated[str, typer.Argument(metavar="|".join(FETCHABLE), help="Which of the authors' networks.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FOLDER", help="Where to keep it. [default: photochrom's cache]"),
    ] = None,
    photographs: _Photographs = None,
    url: Annotated[
        str | None, typer.Option(help="A mirror's address. [default: PHOTOCHROM_WEIGHTS_URL, else the authors']")
    ] = None,
    overwrite: _Overwrite = False,
) -> None:
    """Download the weights that the authors published, check them and make a model of them."""
    _need_training()  # before 130 MB are downloaded
    from ..foreign.fetch import fetch_weights, published
    from ..foreign.weights import import_model

    published(name)
    folder = cache_folder() if output is None else output
    model = folder / f"{name}.onnx"
    if model.is_file() and not overwrite:
        read_info(model)
        return typer.echo(f"{model}: is there already; --overwrite makes it again", err=True)
    with _Download(name) as progress:
        file = fetch_weights(name, folder, url, overwrite=overwrite, progress=progress)
    _report(import_model(file, model, name=name, photographs=photographs, overwrite=overwrite))
    if output is None:
        typer.echo(f"To use it: photochrom colorize PHOTOGRAPH --model {name}", err=True)


@app.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Weights of eccv16 or siggraph17: .pth, .safetensors.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="OUT.onnx", help="The model to write. [default: FILE's name, ending in .onnx]"
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The model's name. [default: the output's]")] = None,
    photographs: _Photographs = None,
    overwrite: _Overwrite = False,
) -> None:
    """Make a model of weights that were trained elsewhere, and keep them as OUT.safetensors beside it."""
    _need_training()
    from ..foreign.weights import import_model

    target = file.parent / f"{file.stem}.onnx" if output is None else output
    _report(import_model(file, target, name=name, photographs=photographs, overwrite=overwrite))


def _fields(info: ModelInfo) -> dict[str, Any]:
    return {**dataclasses.asdict(info), "path": str(info.path)}


def _need_training() -> None:
    """Say what to install; `list` and `info` do without it."""
    try:
        from ..foreign import weights  # noqa: F401
    except ImportError as error:
        if (error.name or "").startswith("photochrom"):
            raise
        raise SettingError(
            f"this command needs a package that is not installed ({error.name}); run: pip install 'photochrom[train]'"
        ) from error


def _report(done: Imported) -> None:
    kept = f", weights in {done.weights.name}" if done.weights else ""
    size = done.model.stat().st_size / 1e6
    lines = [f"{done.model}: {done.kind}, {done.parameters / 1e6:.2f} million parameters, {size:.1f} MB{kept}"]
    if done.temperature is not None:
        lines.append(f"temperature: {done.temperature}")
    for line in (*lines, *(f"note: {note}" for note in done.notes)):
        typer.echo(line, err=True)


class _Download:
    """A bar on a terminal; elsewhere one line when the last byte is there."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._done = 0
        self._bar: Progress | None = None

    def __enter__(self) -> _Download:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn(self._name), BarColumn(), DownloadColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=Console(stderr=True), redirect_stdout=False)
            self._task = self._bar.add_task("", total=None)
            self._bar.start()
        return self

    def __call__(self, done: int, total: int | None) -> None:
        self._done = done
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif kind is None and self._done:
            typer.echo(f"{self._name}: {self._done / 1e6:.1f} MB downloaded", err=True)

"""`photochrom models`: which models there are, and what is known about one."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated, Any

import typer

from ..models import ModelInfo, find_model, list_models, read_info

app = typer.Typer()

_AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]


@app.command("list")
def list_command(as_json: _AsJson = False) -> None:
    """The models that come with photochrom."""
    infos = list_models()
    if as_json:
        for info in infos:
            typer.echo(json.dumps(_fields(info)))
        return
    rows = [("NAME", "VERSION", "SIZE", "LICENCE", "TRAINED ON")]
    rows += [(i.name, i.version, f"{i.bytes / 1e6:.1f} MB", i.licence, i.training_data) for i in infos]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@app.command("info")
def info_command(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A name from `models list`, or an ONNX file.")],
    as_json: _AsJson = False,
) -> None:
    """All that is known about one model: data, licence, scores, checksum."""
    fields = _fields(read_info(find_model(name)))
    if as_json:
        typer.echo(json.dumps(fields))
        return
    scores = fields.pop("scores")
    lines = {**fields, **{f"scores: {key}": value for key, value in scores.items()}}
    width = max(map(len, lines))
    for key, value in lines.items():
        typer.echo(f"{key.ljust(width)}  {value}")


def _fields(info: ModelInfo) -> dict[str, Any]:
    return {**dataclasses.asdict(info), "path": str(info.path)}

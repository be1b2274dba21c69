"""A contact sheet: rows of grey | coloured | original, to judge by eye what the figures cannot show.

python -m photochrom.evaluation.picture_sheet --model lite --data PHOTOGRAPHS --half even --count 20 -o sheet.jpg
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import pyvips
import typer
from numpy.typing import NDArray

from ..atomic_file import output_error, part_file, refuse_existing
from ..colorizer import load
from ..errors import OutputError, PhotochromError, PhotoError, SettingError
from .baselines import Grey
from .judges.semantic import merged
from .photographs import list_photographs, read_whole, spread, take_half
from .systems import ModelSystem, Saturated, System

CELL = 288  # pixels: the box that each picture is fitted into
GAP = 6  # pixels between pictures
LABEL_HEIGHT = 22  # pixels
WHITE = 255
INK = 40


def picture_sheet(header: Sequence[str], rows: Sequence[Sequence[NDArray[np.uint8]]], groups: int = 1) -> pyvips.Image:
    """Pictures under their column's name, each fitted into a square box.

    header: a name a column. rows: one picture a column, each uint8 [H, W, 3]. groups: how many rows stand side by
    side. Returns an sRGB libvips image.
    """
    if not rows or any(len(row) != len(header) for row in rows):
        raise SettingError(f"rows have {sorted({len(row) for row in rows})} pictures; expected {len(header)} in each")
    groups = min(groups, len(rows))
    across = groups * len(header)
    boxes = [_box(pyvips.Image.new_from_array(np.ascontiguousarray(p)), CELL) for row in rows for p in row]
    labels = [_label(name) for _ in range(groups) for name in header]
    join = {"across": across, "shim": GAP, "background": [WHITE]}
    head = pyvips.Image.arrayjoin(labels, **join)
    body = pyvips.Image.arrayjoin(boxes, **join)
    return head.join(body, "vertical", shim=GAP, background=[WHITE], expand=True).copy(interpretation="srgb")


def _box(picture: pyvips.Image, height: int) -> pyvips.Image:
    fitted = picture.copy(interpretation="srgb").thumbnail_image(CELL, height=height)
    return fitted.gravity("centre", CELL, height, extend="background", background=[WHITE])


def _label(text: str) -> pyvips.Image:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;")  # libvips reads Pango markup
    ink = pyvips.Image.text(escaped, font="sans 11", dpi=96)
    if ink.width > CELL:
        ink = ink.crop(0, 0, CELL, ink.height)
    height = max(LABEL_HEIGHT, ink.height)
    box = ink.gravity("centre", CELL, height)
    grey = (WHITE - box * ((WHITE - INK) / WHITE)).cast("uchar")
    return grey.bandjoin([grey, grey]).copy(interpretation="srgb")


def write_sheet(sheet: pyvips.Image, target: Path, overwrite: bool = False) -> None:
    """The sheet as a file, its format by the name's ending; its folder is made. Raises OutputError."""
    try:
        encoded = sheet.write_to_buffer(target.suffix)
    except pyvips.Error as error:
        raise OutputError(target, str(error).strip(), "expected a name such as sheet.jpg") from error
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(target, error) from error
    with part_file(target, overwrite) as part:
        part.write_bytes(encoded)


def coloured_rows(paths: Sequence[Path], systems: Sequence[System]) -> list[list[NDArray[np.uint8]]]:
    """Rows of grey | each system | original. A photograph that cannot be read is named on stderr and left out."""
    rows = []
    for path in paths:
        try:
            photograph = read_whole(path)
        except PhotoError as error:
            print(f"Error: {error}", file=sys.stderr)
            continue
        coloured = [merged(photograph, system.ab(photograph)) for system in (Grey(), *systems)]
        rows.append([*coloured, photograph.rgb])
    return rows


def main(
    model: Annotated[list[str], typer.Option(help="Model name or ONNX file; may be repeated: a column each.")],
    data: Annotated[Path, typer.Option(help="Folder of colour photographs.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The sheet: .jpg or .png.")],
    half: Annotated[str, typer.Option(help="even, odd or all photographs.")] = "even",
    count: Annotated[int, typer.Option(help="Photographs.", min=1)] = 20,
    seed: Annotated[int, typer.Option(help="Which photographs; negative: evenly spread.")] = 0,
    temperature: Annotated[float | None, typer.Option(help="Of the annealed mean.")] = None,
    saturation: Annotated[float, typer.Option(help="Chroma scale.")] = 1.0,
    groups: Annotated[int, typer.Option(help="Photographs side by side.", min=1)] = 2,
    threads: Annotated[int | None, typer.Option(help="CPU threads.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing sheet.")] = False,
) -> None:
    """A contact sheet of photographs coloured by one or more models."""
    refuse_existing(output, overwrite)
    paths = take_half(list_photographs(data), half)
    if seed < 0:
        paths = spread(paths, count)
    else:
        picked = np.random.default_rng(seed).permutation(len(paths))[:count]
        paths = [paths[i] for i in sorted(picked)]
    systems: list[System] = [ModelSystem(Path(each).stem, load(each, threads=threads), temperature) for each in model]
    if saturation != 1:
        systems = [Saturated(system, saturation) for system in systems]
    rows = coloured_rows(paths, systems)
    if rows:
        header = ["grey", *(system.name for system in systems), "original"]
        write_sheet(picture_sheet(header, rows, groups), output, overwrite)
    if len(rows) < len(paths):
        raise typer.Exit(1)


if __name__ == "__main__":
    try:
        typer.run(main)
    except PhotochromError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)

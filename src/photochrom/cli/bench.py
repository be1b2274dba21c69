"""`photochrom bench`: speed on this machine, compared with the paper's network, libvips alone and a bare Python."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import SettingError
from ..models import SIDE_MULTIPLE, find_model, read_info, usable_cores

if TYPE_CHECKING:
    from ..evaluation.runtime import Timing

_SIZES = [128, 192, 256, 384, 512]
_START_RUNS = 9


def bench(
    model: Annotated[str, typer.Option(metavar="NAME|FILE", help="See `photochrom models list`.")] = "lite",
    size: Annotated[list[int] | None, typer.Option(metavar="N", help="Side in pixels; may be repeated.")] = None,
    threads: Annotated[list[int] | None, typer.Option(metavar="N", min=1, help="Cores; may be repeated.")] = None,
    runs: Annotated[int, typer.Option(min=1, help="Timed calls of each; slow ones are called less often.")] = 50,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the figures here too.")
    ] = None,
) -> None:
    """Measure speed on this machine.

    The network by size and threads, beside ECCV16 in PyTorch if that is installed; a 512-pixel photograph from file to
    file, beside libvips' decode and encode alone; a whole process, beside `python -c pass`. All are medians, and the
    things compared take turns, so that the ratios hold on a busy machine too.
    """
    for side in size or []:
        if side < SIDE_MULTIPLE or side % SIDE_MULTIPLE:
            raise SettingError(f"--size is {side}; expected a multiple of {SIDE_MULTIPLE}")
    if json_file is not None and not json_file.parent.is_dir():
        raise SettingError(f"--json {json_file}: there is no folder {json_file.parent}; create it first")
    path = find_model(model)
    info = read_info(path)
    native = -(-info.native_size // SIDE_MULTIPLE) * SIDE_MULTIPLE
    sizes = sorted(set(size or [*_SIZES, native]))

    from ..evaluation import runtime

    machine = runtime.machine()
    typer.echo(f"{machine['processor']}, {machine['cores']} cores, load {machine['load']}; {info.name} {info.version}")
    counts = sorted(set(threads or [1, usable_cores()]))
    network: list[Timing] = []
    typer.echo("\nnetwork                        threads        ms  per second")
    for count in counts:
        print(f"measuring on {count} thread(s) ...", file=sys.stderr)
        timings = runtime.time_network(path, sizes, count, runs)
        network += timings
        paper = next((timing for timing in timings if timing.what == runtime.PAPER), None)
        for timing in timings:
            name = f"{timing.what} {timing.size} x {timing.size}"
            line = f"{name:30} {count:7} {timing.seconds * 1e3:9.1f} {1 / timing.seconds:11.1f}"
            if paper is not None and timing is not paper and timing.size in (paper.size, native):
                at = "" if timing.size == paper.size else f" at {paper.size}"
                line += f"   {paper.what}{at} takes {paper.seconds / timing.seconds:.1f} times as long"
            typer.echo(line)
    if not runtime.has_torch():
        typer.echo("(ECCV16 needs PyTorch: pip install 'photochrom[train]')")

    print("measuring a whole photograph and the start ...", file=sys.stderr)
    photograph, vips = runtime.time_photograph(path, runs)
    typer.echo(f"\n{photograph.size}-pixel JPEG, file to file: {photograph.seconds * 1e3:.1f} ms")
    typer.echo(f"  libvips' decode and encode alone: {vips.seconds * 1e3:.1f} ms")
    colorize, version, python = runtime.time_start(path, min(runs, _START_RUNS))
    typer.echo(f"process, start to exit: {colorize.seconds:.2f} s for that JPEG")
    typer.echo(
        f"  --version: {version.seconds:.3f} s, {version.seconds - python.seconds:.3f} s more than python -c pass"
    )
    if json_file is not None:
        timings = [*network, photograph, vips, colorize, version, python]
        model_info = {"name": info.name, "version": info.version, "sha256": info.sha256, "native_size": native}
        _write_json(json_file, machine, model_info, timings)


def _write_json(file: Path, machine: dict[str, Any], model: dict[str, Any], timings: list[Timing]) -> None:
    figures = {"machine": machine, "model": model, "timings": [dataclasses.asdict(timing) for timing in timings]}
    file.write_text(json.dumps(figures, indent=2) + "\n")

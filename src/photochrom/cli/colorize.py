"""`photochrom colorize`: photographs in, coloured photographs out."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from dataclasses import replace
from enum import StrEnum
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Annotated, Self, cast

import typer

from ..atomic_file import remove_open_parts, remove_stale_parts
from ..errors import OutputError, SettingError
from ..jobs import Outcome, Settings, Status, colour, examine, made_by_photochrom, run_jobs
from ..options import MAX_SATURATION, checked_temperature
from ..plan import Job, Plan, make_plan
from .progress import Reporter

if TYPE_CHECKING:
    from ..colorizer import Decode


class _Decode(StrEnum):
    ANNEALED_MEAN = "annealed-mean"
    MEAN = "mean"
    MODE = "mode"


class _Format(StrEnum):
    SAME = "same"
    JPG = "jpg"
    PNG = "png"
    TIFF = "tiff"
    JPEG = "jpeg"
    TIF = "tif"
    WEBP = "webp"


def _positive(value: float | None) -> float | None:
    try:
        checked_temperature(value)
    except SettingError as error:
        raise typer.BadParameter(str(error)) from error
    return value


def _saturation(value: float) -> float:
    if not 0 <= value <= MAX_SATURATION:
        raise typer.BadParameter(f"found {value}; expected a finite number from 0 (grey) to {MAX_SATURATION}")
    return value


def colorize(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT", help="Files, folders (with -r), patterns, or - for stdin.")
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="OUT",
            help="A file, a folder (it exists, ends in /, or there are several inputs) that mirrors the inputs' tree, "
            "or - for stdout. Without it, photo.jpg becomes photo.color.jpg beside it.",
        ),
    ] = None,
    recursive: Annotated[bool, typer.Option("-r", "--recursive", help="Colour what is in folders.")] = False,
    model: Annotated[str, typer.Option(metavar="NAME|FILE", help="See `photochrom models list`.")] = "lite",
    temperature: Annotated[
        float | None,
        typer.Option(
            callback=_positive,
            help="Above 0: small takes the likeliest colour at each place, 1 the mean of all. [default: the model's]",
        ),
    ] = None,
    decode: Annotated[
        _Decode, typer.Option(help="How one colour comes out of the likely ones.")
    ] = _Decode.ANNEALED_MEAN,
    saturation: Annotated[float, typer.Option(callback=_saturation, help="Factor on the chroma; 0 is grey.")] = 1.0,
    levels: Annotated[
        bool, typer.Option("--levels", help="Stretch the lightness of faded and dark photographs to the full range.")
    ] = False,
    format: Annotated[
        _Format, typer.Option(case_sensitive=False, help="Of the output; same as the input's.")
    ] = _Format.SAME,
    quality: Annotated[int, typer.Option(min=1, max=100, help="Of JPEG, WebP and AVIF.")] = 92,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")] = False,
    skip_existing: Annotated[bool, typer.Option("--skip-existing", help="Pass over outputs that exist.")] = False,
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Replace the photographs themselves by coloured ones (no way back).")
    ] = False,
    keep_times: Annotated[
        bool, typer.Option("--keep-times", help="Give outputs their inputs' time of change.")
    ] = False,
    max_pixels: Annotated[int, typer.Option(min=1, help="Refuse larger photographs.")] = 500_000_000,
    jobs: Annotated[int, typer.Option(min=1, max=256, metavar="N", help="Photographs at a time.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a photograph on stdout.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only errors and notes.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an unexpected error arose.")] = False,
) -> None:
    """Colour photographs.

    Photographs of any size, 8 or 16 bit; JPEG, PNG, TIFF, WebP and what else libvips reads. The lightness stays as
    it is without --levels, metadata are kept, and the output is marked as coloured by a model. Nothing leaves this
    machine.

    Exit code: 0 all done; 1 some failed, the others are done; 2 wrong usage; 130 interrupted.
    """
    if overwrite and skip_existing:
        raise SettingError("--overwrite and --skip-existing exclude each other; give one of them")
    if temperature is not None and decode is not _Decode.ANNEALED_MEAN:
        raise SettingError(f"--temperature belongs to --decode annealed-mean; leave it out with --decode {decode}")
    if in_place and (overwrite or skip_existing):
        raise SettingError("--in-place excludes --overwrite and --skip-existing; give one of them")
    plan = make_plan(
        inputs,
        output,
        recursive=recursive,
        format=format,
        overwrite=overwrite,
        in_place=in_place,
        is_marked=made_by_photochrom,
    )
    to_stdout = any(job.target is None for job in plan.jobs)
    if to_stdout and as_json:
        raise SettingError("--json and the photograph would both go to stdout; give -o FILE, or leave --json out")
    if to_stdout and not dry_run and sys.stdout.isatty():
        raise SettingError("the photograph would go to a terminal; give -o FILE, or pipe stdout somewhere")

    settings = Settings(
        temperature=temperature,
        decode=cast("Decode", decode.value),
        saturation=saturation,
        levels=levels,
        quality=quality,
        overwrite=overwrite,
        skip_existing=skip_existing,
        in_place=in_place,
        keep_times=keep_times,
    )
    if dry_run:
        code = _dry_run(plan, settings, Reporter(total=0, as_json=as_json, quiet=quiet, debug=debug), model, max_pixels)
    else:
        with Reporter(total=len(plan.jobs), as_json=as_json, quiet=quiet, debug=debug) as reporter:
            code = _run(plan, settings, reporter, model, max_pixels, jobs)
    raise typer.Exit(code)


def _dry_run(plan: Plan, settings: Settings, reporter: Reporter, model: str, max_pixels: int) -> int:
    from ..models import find_model, read_info

    read_info(find_model(model))
    reporter.begin(plan)
    for job in plan.jobs:
        reporter.report(examine(job, settings, max_pixels))
    reporter.finish(interrupted=False)
    return 1 if reporter.count[Status.FAILED] else 0


def _run(plan: Plan, settings: Settings, reporter: Reporter, model: str, max_pixels: int, threads: int) -> int:
    """Colour what the plan says; the exit code."""
    from ..colorizer import load

    colorizer = load(model, max_pixels=max_pixels)
    reporter.begin(plan)
    if any(job.source is None for job in plan.jobs):
        settings = replace(settings, stdin=_read_stdin())
    for folder in {job.target.parent for job in plan.jobs if job.target is not None}:
        with contextlib.suppress(OSError):  # a folder without access: its photographs will say so
            remove_stale_parts(folder)

    def work(job: Job) -> Outcome:
        return colour(job, colorizer, settings)

    with _Stop() as stop:
        for outcome in run_jobs(plan.jobs, work, threads=threads, stop=stop.event):
            if outcome.encoded is not None:
                outcome = _to_stdout(outcome, outcome.encoded)
            reporter.report(outcome)
    reporter.finish(interrupted=stop.signal is not None)
    if stop.signal is not None:
        return 128 + stop.signal
    return 1 if reporter.count[Status.FAILED] else 0


def _read_stdin() -> bytes:
    if sys.stdin.isatty():
        raise SettingError("- is stdin, which is a terminal here; pipe a photograph in, or name a file")
    return sys.stdin.buffer.read()


def _to_stdout(outcome: Outcome, encoded: bytes) -> Outcome:
    try:
        sys.stdout.buffer.write(encoded)
        sys.stdout.buffer.flush()
    except OSError as error:
        # Closing it at exit would try again, and complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        message = str(OutputError("stdout", f"could not be written ({error.strerror})", "give a file with -o"))
        return replace(outcome, status=Status.FAILED, error=message)
    return outcome


class _Stop:
    """Ctrl-C and SIGTERM while colouring: the first lets the running photographs finish, a second drops them."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.signal: int | None = None

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            remove_open_parts()
            os._exit(128 + number)  # threads inside libvips cannot be stopped
        self.signal = number
        self.event.set()
        # os.write, because a handler may interrupt a print to the same stream.
        os.write(2, b"\nstopping after the photographs in work; once more drops them\n")

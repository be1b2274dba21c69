"""Doing a plan: several photographs at a time on threads that share one model, and stopping in good order.

The queue is bounded: no more jobs are handed out than threads, so a folder of a million photographs costs no memory
beyond its list of names, and a stop waits for the running photographs only.
"""

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from .atomic_file import output_error, refuse_existing
from .errors import ExistingOutputError, OutputError, PhotochromError, PhotoError, UnreadablePhotoError
from .plan import Job, is_special

if TYPE_CHECKING:
    from .colorizer import Colorizer, Report
    from .options import Decode


class Status(StrEnum):
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    PLANNED = "planned"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one job.

    error: for FAILED the whole message, for SKIPPED the reason; made: the reason is that photochrom made it.
    trace: where a defect of photochrom was found, for whoever mends it.
    report: of a DONE one that went to a file; encoded: of one that goes to stdout.
    """

    job: Job
    status: Status
    error: str | None = None
    made: bool = False
    report: Report | None = None
    encoded: bytes | None = None
    trace: str | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """How to colour: see Colorizer.colorize_file; stdin is what stands for the one job without a source."""

    temperature: float | None = None
    decode: Decode = "annealed-mean"
    saturation: float = 1.0
    levels: bool = False
    quality: int = 92
    overwrite: bool = False
    skip_existing: bool = False
    stdin: bytes = b""
    in_place: bool = False
    keep_times: bool = False


def made_by_photochrom(path: Path) -> bool:
    """Whether photochrom made a photograph; False for one that cannot be read, which colouring it will report."""
    from .photo.metadata import is_marked

    try:
        return path.is_file() and is_marked(path)
    except Exception:
        return False


def check(job: Job, settings: Settings) -> Outcome | None:
    """The outcome of a job that is not to be done (photochrom made it, the output exists), or None: do it."""
    try:
        if (job.found or settings.in_place) and job.source is not None and made_by_photochrom(job.source):
            return Outcome(job, Status.SKIPPED, error="photochrom made it", made=True)
        if job.target is not None:
            if settings.skip_existing and os.path.lexists(job.target) and not job.target.is_dir():
                return _exists(job)
            if not (settings.in_place or is_special(job.target)):
                refuse_existing(job.target, settings.overwrite)
    except PhotoError as error:
        return Outcome(job, Status.FAILED, error=str(error))
    except OSError as error:
        return Outcome(job, Status.FAILED, error=str(output_error(Path(job.output), error)))
    return None


def _exists(job: Job) -> Outcome:
    return Outcome(job, Status.SKIPPED, error=f"{job.target} exists")


def _unexpected(job: Job, error: Exception) -> Outcome:
    """A defect of photochrom, met by one photograph: the others go on."""
    text = f"{job.name}: unexpected: {type(error).__name__}: {error}; please report it, with what --debug shows"
    return Outcome(job, Status.FAILED, error=text, trace="".join(traceback.format_exception(error)))


def examine(job: Job, settings: Settings, max_pixels: int) -> Outcome:
    """What `colour` would come to, as far as the headers tell."""
    from .photo.formats import output_format
    from .photo.inputs import check_special
    from .photo.outputs import check_own_output
    from .photo.reading import open_photo
    from .photo.writing import check_sizes

    try:
        outcome = check(job, settings)
        if outcome is not None:
            return outcome
        if job.source is not None and not check_special(job.source, job.name):  # a pipe can be read only once
            photo = open_photo(job.source, max_pixels=max_pixels)
            check_own_output(job.source, job.target, in_place=settings.in_place)
            check_sizes(photo, output_format(job.format, photo.format, job.target))
    except PhotochromError as error:
        return Outcome(job, Status.FAILED, error=str(error))
    except Exception as error:
        return _unexpected(job, error)
    return Outcome(job, Status.PLANNED)


def colour(job: Job, colorizer: Colorizer, settings: Settings) -> Outcome:
    """One job, done or failed, whatever it meets: a defect of photochrom costs one photograph."""
    try:
        return check(job, settings) or _colour(job, colorizer, settings)
    except MemoryError:
        too_large = UnreadablePhotoError(
            job.name, "the memory did not suffice", "expected a smaller photograph or --jobs 1"
        )
        return Outcome(job, Status.FAILED, error=str(too_large))
    except Exception as error:
        return _unexpected(job, error)


def _colour(job: Job, colorizer: Colorizer, settings: Settings) -> Outcome:
    source: Path | bytes = settings.stdin if job.source is None else job.source
    try:
        if job.target is not None:
            _make_folder(job.target.parent)
        result = colorizer.colorize_file(
            source,
            job.target,
            name=job.name,
            temperature=settings.temperature,
            decode=settings.decode,
            saturation=settings.saturation,
            levels=settings.levels,
            format=job.format,
            quality=settings.quality,
            overwrite=settings.overwrite,
            in_place=settings.in_place,
            keep_times=settings.keep_times,
        )
    except ExistingOutputError as error:
        # Another process wrote it while this one was at work.
        return _exists(job) if settings.skip_existing else Outcome(job, Status.FAILED, error=str(error))
    except PhotochromError as error:
        return Outcome(job, Status.FAILED, error=str(error))
    if isinstance(result, bytes):
        return Outcome(job, Status.DONE, encoded=result)
    return Outcome(job, Status.DONE, report=result)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            folder, f"cannot be made ({error.strerror})", "expected a folder that you may write to"
        ) from error


def run_jobs(
    jobs: Iterable[Job], work: Callable[[Job], Outcome], *, threads: int, stop: threading.Event
) -> Iterator[Outcome]:
    """Outcomes as they come. After `stop` is set the running jobs are finished and no other is begun."""
    waiting = iter(jobs)
    running: set[Future[Outcome]] = set()
    with ThreadPoolExecutor(threads, thread_name_prefix="photochrom") as pool:
        while True:
            if not stop.is_set():
                running.update(pool.submit(work, job) for job in islice(waiting, threads - len(running)))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()

"""Doing a plan: several photographs at a time on threads that share one model, and stopping in good order.

The queue is bounded: no more jobs are handed out than threads, so a folder of a million photographs costs no memory
beyond its list of names, and a stop waits for the running photographs only.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from .atomic_file import refuse_existing
from .errors import OutputError, OutputExistsError, PhotoError, SettingError, UnreadablePhotoError
from .plan import Job

if TYPE_CHECKING:
    from .colorizer import Colorizer, Decode, Report


class Status(StrEnum):
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    PLANNED = "planned"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one job.

    error: for FAILED the whole message, for SKIPPED the reason; made: the reason is that photochrom made it.
    report: of a DONE one that went to a file; encoded: of one that goes to stdout; defect: what photochrom itself did
    wrong, with its traceback.
    """

    job: Job
    status: Status
    error: str | None = None
    made: bool = False
    report: Report | None = None
    encoded: bytes | None = None
    defect: BaseException | None = None


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
    in_place: bool = False
    stdin: bytes = b""


def check(job: Job, settings: Settings) -> Outcome | None:
    """The outcome of a job that is not to be done (photochrom made it, the output exists), or None: do it."""
    from .photo.metadata import is_marked

    try:
        if job.found and job.source is not None and is_marked(job.source):
            return Outcome(job, Status.SKIPPED, error="photochrom made it", made=True)
        if job.target is not None:
            if settings.skip_existing and job.target.exists():
                return Outcome(job, Status.SKIPPED, error=f"{job.target} exists")
            refuse_existing(job.target, settings.overwrite or settings.in_place)
    except PhotoError as error:
        return Outcome(job, Status.FAILED, error=str(error))
    except OSError as error:
        return Outcome(
            job, Status.FAILED, error=f"{error.filename}: {error.strerror}; expected a folder you may look into"
        )
    return None


def examine(job: Job, settings: Settings, max_pixels: int) -> Outcome:
    """What `colour` would come to, as far as the headers tell."""
    from .photo.reading import open_photo

    outcome = check(job, settings)
    if outcome is not None:
        return outcome
    try:
        if job.source is not None:
            open_photo(job.source, max_pixels=max_pixels)
    except PhotoError as error:
        return Outcome(job, Status.FAILED, error=str(error))
    except Exception as error:
        return Outcome(job, Status.FAILED, error=unexpected(job.name, error), defect=error)
    return Outcome(job, Status.PLANNED)


def colour(job: Job, colorizer: Colorizer, settings: Settings) -> Outcome:
    """One job, done or failed, whatever happens: a defect of photochrom itself is a failed job too."""
    try:
        return check(job, settings) or _coloured(job, colorizer, settings)
    except OutputExistsError as error:
        if settings.skip_existing:  # another process has made it since
            return Outcome(job, Status.SKIPPED, error=f"{job.output} exists")
        return Outcome(job, Status.FAILED, error=str(error))
    except PhotoError as error:
        return Outcome(job, Status.FAILED, error=str(error))
    except SettingError as error:  # of this photograph alone: a format that cannot be written
        return Outcome(job, Status.FAILED, error=f"{job.name}: {error}")
    except MemoryError:
        too_large = UnreadablePhotoError(
            job.name, "the memory did not suffice", "expected a smaller photograph or --jobs 1"
        )
        return Outcome(job, Status.FAILED, error=str(too_large))
    except Exception as error:
        return Outcome(job, Status.FAILED, error=unexpected(job.name, error), defect=error)


def _coloured(job: Job, colorizer: Colorizer, settings: Settings) -> Outcome:
    source: Path | bytes = settings.stdin if job.source is None else job.source
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
    )
    if isinstance(result, bytes):
        return Outcome(job, Status.DONE, encoded=result)
    return Outcome(job, Status.DONE, report=result)


def unexpected(name: str, error: Exception) -> str:
    """What a person is told of a defect: it is photochrom's, and what to send."""
    text = " ".join(str(error).split())[:200]
    return (
        f"{name}: unexpected: {type(error).__name__}: {text}; this is a defect of photochrom: please report it with "
        "what --debug prints"
    )


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

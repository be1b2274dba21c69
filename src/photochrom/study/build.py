"""Building a study: selects the photographs, makes their versions, and writes the folder."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyvips
from numpy.typing import NDArray

from ..atomic_file import output_error
from ..errors import DataError, OutputError, PhotochromError, PhotoError, SettingError
from ..evaluation.baselines import RandomColours, Truth
from ..evaluation.judges.semantic import merged
from ..evaluation.photographs import Photograph, read_crop
from ..evaluation.systems import System
from .pictures import picture_file, write_picture
from .plan import FILE, PICTURES, RANDOM, REAL, Study, to_json
from .wording import counted

NEAR_GREY = 5.0  # ab units: the paper calls a photograph grey if no |a| and no |b| is above it
COLOURED = 0.05  # ... and here if fewer of its pixels are: a few specks of colour, or noise, make no colour photograph
GREY_RULE = f"fewer than {COLOURED:.0%} of its pixels have |a| or |b| above {NEAR_GREY:g}"
RANDOM_NOTE = "the colours of another photograph of the study, drawn by the seed"
TRUTH_NOTE = "a control: both pictures are the real photograph, so that people can only guess"
BASELINES = ("constant", "lightness-table", "random", "truth")  # of evaluation.baselines, those that people can judge
MOST_FAILURES = 20  # in a row: then the cause is the model and not a photograph

Progress = Callable[[int, int], None]
"""Called with how many photographs were looked at, and of how many."""


@dataclass(frozen=True)
class Settings:
    """What a study is to be. limit: take at most so many photographs; spares: photographs beyond those of a session,
    for pairs that a participant's reload makes void."""

    title: str = "Real or coloured?"
    seed: int = 0
    limit: int | None = None
    side: int = 256  # pixels
    practice: int = 10
    test: int = 40
    vigilance: int = 4
    spares: int = 10
    shown_ms: int = 1000

    @property
    def needed(self) -> int:
        """The fewest photographs that make a study."""
        return self.practice + self.test + self.spares


def check_baselines(names: Sequence[str]) -> None:
    """Raise SettingError for a baseline that makes no study: grey, or one that does not exist."""
    for name in names:
        if name not in BASELINES:
            why = " (next to grey the colour picture is obvious, and every answer would be right)"
            found = f"baseline is {name!r}{why if name == 'grey' else ''}"
            raise SettingError(f"{found}; expected one of {', '.join(BASELINES)}")


def build_study(
    paths: Sequence[Path],
    systems: Sequence[System],
    target: Path,
    settings: Settings,
    *,
    folder: Path,
    progress: Progress = lambda done, total: None,
) -> Study:
    """Make the folder `target` of a study from the colour photographs at `paths`, which lie in `folder`.

    Photographs are taken in an order drawn by the seed. Left out, and named in the study, are those that are not
    readable, too small, nearly grey (GREY_RULE), copies of another, or that one of the systems fails on: such a
    photograph is left out for all. `target` appears whole or not at all. Raises DataError if too few photographs
    remain, SettingError, and OutputError for an existing target.
    """
    if not systems:
        raise SettingError("nothing to judge; expected at least one --model or --baseline")
    if settings.limit is not None and settings.limit < settings.needed:
        raise SettingError(f"limit is {settings.limit}; expected at least {_needs(settings)}")
    if os.path.lexists(target):
        raise OutputError(target, "exists already", "choose another folder with -o; a study is never overwritten")
    names = algorithm_names([system.name for system in systems])
    order = np.random.default_rng(settings.seed).permutation(len(paths))
    with _whole_folder(target) as unfinished:
        makers = {name: system for name, system in zip(names, systems, strict=True) if name != RANDOM}
        if len(paths) < settings.needed:  # then they are looked at only, to say what else is wrong with them
            makers = {}
        album = _Album(folder, unfinished, makers, settings)
        for done, i in enumerate(order, 1):
            album.add(paths[i])
            progress(done, len(paths))
            if settings.limit is not None and len(album.taken) == settings.limit:
                break
        if len(album.taken) < settings.needed:
            raise DataError(f"{folder}: {album.found()}; expected at least {_needs(settings)}")
        album.add_random_colours()
        notes = {name: system.note for name, system in zip(names, systems, strict=True) if system.note}
        notes |= {name: TRUTH_NOTE for name, system in zip(names, systems, strict=True) if isinstance(system, Truth)}
        if RANDOM in names:
            notes[RANDOM] = RANDOM_NOTE
        study = Study(
            title=settings.title,
            seed=settings.seed,
            algorithms=tuple(names),
            photographs=tuple(album.taken),
            side=settings.side,
            practice=settings.practice,
            test=settings.test,
            vigilance=settings.vigilance,
            shown_ms=settings.shown_ms,
            pictures=_digest(unfinished / PICTURES),
            names={identifier: album.name(path) for identifier, path in album.taken.items()},
            notes=notes,
            left_out=album.left_out,
        )
        (unfinished / FILE).write_text(to_json(study), encoding="utf-8")
    return study


def _digest(pictures: Path) -> str:
    """Of the names and contents of all files beneath."""
    total = hashlib.sha256()
    for file in sorted(pictures.rglob("*.png")):
        total.update(
            f"{file.relative_to(pictures).as_posix()} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode()
        )
    return total.hexdigest()[:16]


def _needs(settings: Settings) -> str:
    parts = f"{settings.practice} for practice, {settings.test} for the test, {settings.spares} spare ones for reloads"
    return f"{settings.needed} photographs that can be used: {parts}"


def algorithm_names(systems: Sequence[str]) -> list[str]:
    """Names that can be folders: small letters, digits, '.', '_', '-'; numbered where two would be the same."""
    names: list[str] = []
    for system in systems:
        plain = re.sub(r"[^a-z0-9._-]+", "-", system.lower()).strip("._-")[:50] or "model"
        plain = f"{plain}-model" if plain == REAL else plain
        name, number = plain, 1
        while name in names:
            number += 1
            name = f"{plain}-{number}"
        names.append(name)
    return names


def is_nearly_grey(photograph: Photograph) -> bool:
    """Whether a photograph has so little colour that there is nothing to judge (GREY_RULE)."""
    return float((np.abs(photograph.ab).max(-1) > NEAR_GREY).mean()) < COLOURED


def summary(left_out: dict[str, str]) -> str:
    """The photographs left out, by reason: "2 nearly grey, 1 too small"; empty if there are none."""
    counts = Counter(reason.partition(":")[0] for reason in left_out.values())
    return ", ".join(f"{number} {reason}" for reason, number in sorted(counts.items()))


class _Unusable(Exception):
    """Its text: the reason, a colon, the details."""


class _Album:
    """The photographs taken so far, and those left out."""

    def __init__(self, folder: Path, study_folder: Path, makers: dict[str, System], settings: Settings) -> None:
        self.taken: dict[str, Path] = {}
        self.left_out: dict[str, str] = {}
        self._folder = folder
        self._study_folder = study_folder
        self._makers = makers
        self._settings = settings
        self._seen: dict[bytes, Path] = {}
        self._failures: Counter[str] = Counter()  # in a row, by system
        for version in (REAL, RANDOM, *makers):
            picture_file(study_folder, version, "").parent.mkdir(parents=True)

    def name(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix()

    def found(self) -> str:
        """What was found so far, for a person."""
        total = counted(len(self.taken) + len(self.left_out), "photograph")
        found = f"{total}, of which {len(self.taken)} can be used"
        examples = "; ".join(f"{name} is {reason}" for name, reason in list(self.left_out.items())[:3])
        return f"{found} ({summary(self.left_out)}: {examples})" if self.left_out else found

    def add(self, path: Path) -> None:
        """Take a photograph in all versions but the random one, or leave it out."""
        try:
            photograph = self._read(path)
            versions = {REAL: merged(photograph, photograph.ab)}
            versions |= {name: self._coloured(name, photograph) for name in self._makers}
        except _Unusable as reason:
            self.left_out[self.name(path)] = str(reason)
            return
        identifier = f"p{len(self.taken):04d}"
        for version, rgb in versions.items():
            self._write(version, identifier, rgb)
        self.taken[identifier] = path

    def add_random_colours(self) -> None:
        """The random version of every photograph: the colours of another of the study."""
        system = RandomColours(list(self.taken.values()), self._settings.seed)
        for identifier, path in self.taken.items():
            photograph = read_crop(path, self._settings.side)
            self._write(RANDOM, identifier, merged(photograph, system.ab(photograph)))

    def _read(self, path: Path) -> Photograph:
        side = self._settings.side
        try:
            header = pyvips.Image.new_from_file(str(path))
            if min(header.width, header.height) < side:
                found = f"{header.width} x {header.height} pixels"
                raise _Unusable(f"too small: {found}, expected a short side of at least {side}")
            photograph = read_crop(path, side)
        except (pyvips.Error, PhotoError) as error:
            found = error.found if isinstance(error, PhotoError) else str(error)
            raise _Unusable(f"unreadable: {' '.join(found.split())}") from error
        if photograph.rgb.shape != (side, side, 3):
            raise _Unusable(f"unreadable: comes out as {photograph.rgb.shape}, expected {(side, side, 3)}")
        if is_nearly_grey(photograph):
            raise _Unusable(f"nearly grey: {GREY_RULE}")
        first = self._seen.setdefault(hashlib.sha256(photograph.rgb.tobytes()).digest(), path)
        if first is not path:
            raise _Unusable(f"a copy: the same picture as {self.name(first)}")
        return photograph

    def _coloured(self, name: str, photograph: Photograph) -> NDArray[np.uint8]:
        try:
            ab = self._makers[name].ab(photograph)
            if ab.shape != (*photograph.rgb.shape[:2], 2) or not np.isfinite(ab).all():
                raise ValueError(f"gives colours of shape {ab.shape}, expected finite ones of the photograph's size")
            coloured = merged(photograph, ab)
        except Exception as error:  # any exception of a third-party model skips this photograph, not the study
            self._failures[name] += 1
            found = " ".join(str(error).split()) or type(error).__name__
            if self._failures[name] == MOST_FAILURES:
                text = f"{name}: failed on {MOST_FAILURES} photographs in a row, the last with: {found}"
                raise DataError(f"{text}; expected colours; leave this model out, or fix it") from error
            raise _Unusable(f"failed by {name}: {found}") from error
        self._failures[name] = 0
        return coloured

    def _write(self, version: str, identifier: str, rgb: NDArray[np.uint8]) -> None:
        target = picture_file(self._study_folder, version, identifier)
        try:
            write_picture(rgb, target)
        except pyvips.Error as error:
            raise OutputError(target, str(error).strip(), "expected a writable folder with free space") from error


@contextmanager
def _whole_folder(target: Path) -> Iterator[Path]:
    """A hidden folder beside `target` that becomes it on leaving without an error, and else is removed."""
    target = Path(os.path.abspath(target))  # noqa: PTH100  (resolve() would follow a link)
    try:
        unfinished = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".unfinished", dir=target.parent))
    except OSError as error:
        raise output_error(target, error) from error
    try:
        yield unfinished
        unfinished.chmod(0o777 & ~_umask())  # mkdtemp's is for its owner only
        if os.path.lexists(target):  # appeared meanwhile
            raise OutputError(target, "exists already", "choose another folder with -o; a study is never overwritten")
        unfinished.rename(target)  # refuses a folder that is not empty, too
    except OSError as error:
        if isinstance(error, PhotochromError):  # a photograph that went missing meanwhile is one, too
            raise
        raise output_error(target, error) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

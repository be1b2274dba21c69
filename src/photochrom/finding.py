"""Finding photographs: what the files, folders and patterns that a person typed stand for."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import MissingPhotoError, OutputError, PhotoError, UnreadablePhotoError
from .photo.formats import SUFFIXES

_HELPERS = frozenset((
    "@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "@tmp", "__macosx", "$recycle.bin",
    "system volume information", "lost+found", "thumbs.db",
))  # fmt: skip
"""What file servers and systems put beside photographs, lower case (besides what is hidden by a leading dot)."""


@dataclass(frozen=True, slots=True)
class Found:
    source: Path
    base: Path  # the output tree mirrors the part of source below this
    in_folder: bool


class Senseless(OutputError):
    """An input that cannot be done as it was asked for: where all are such, the request itself is wrong."""


def is_pattern(text: str) -> bool:
    # A file may really be called "a[1].jpg"; only what does not exist is taken as a pattern.
    return glob.has_magic(text) and not os.path.lexists(text)


def find(inputs: Sequence[str], recursive: bool, output: Path | None, refused: list[PhotoError]) -> Iterator[Found]:
    for text in inputs:
        base = Path(text)
        names = [text]
        if is_pattern(text):
            while glob.has_magic(str(base)):
                base = base.parent
            # A pattern matches folders too ("**" all of them); without -r it means the files.
            # (glob.glob and not Path.glob, which takes no absolute pattern.)
            names = [
                name
                for name in sorted(glob.glob(text, recursive=True))  # noqa: PTH207
                if (recursive or not Path(name).is_dir())
                and not any(map(_is_helper, Path(name).parts[len(base.parts) :]))
            ]
            if not names:
                refused.append(
                    MissingPhotoError(text, "no file matches", "expected a pattern that matches photographs")
                )
        for path in map(Path, names):
            try:
                os.stat(path)  # noqa: PTH116 - raises what is_dir() would hide
                if path.is_dir():
                    if not recursive:
                        refused.append(Senseless(path, "is a folder", "add -r to colour the photographs in it"))
                        continue
                    yield from _walk(path, base, output, refused)
                else:
                    yield Found(path, path.parent if base == path else base, False)
            except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL, a lone surrogate
                refused.append(_missing(path))
            except OSError as error:
                refused.append(_unreadable(path, error))


def _walk(top: Path, base: Path, output: Path | None, refused: list[PhotoError]) -> Iterator[Found]:
    """The photographs below a folder by their suffix, in name order; no hidden ones, no links to folders, no output."""
    skip = None if output is None else os.path.realpath(output)
    errors: list[OSError] = []
    for folder, folders, names in os.walk(top, onerror=errors.append):
        here = Path(folder)
        folders[:] = sorted(name for name in folders if not _is_helper(name) and os.path.realpath(here / name) != skip)
        for name in sorted(names):
            if not _is_helper(name) and Path(name).suffix.lower() in SUFFIXES and (here / name).is_file():
                yield Found(here / name, base, True)
    refused += [_unreadable(Path(error.filename), error) for error in errors]


def _is_helper(name: str) -> bool:
    return name.startswith(".") or name.lower() in _HELPERS


def _missing(path: Path) -> PhotoError:
    return MissingPhotoError(path, "no such file or folder", "expected a photograph; check the name and where you are")


def _unreadable(path: Path, error: OSError) -> PhotoError:
    return UnreadablePhotoError(path, f"cannot be read ({error.strerror})", "expected a readable photograph or folder")

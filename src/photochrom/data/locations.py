"""Resolves `--data` to files: paths, patterns and URLs, local or remote.

    PHOTOGRAPHS/  SHARDS/  x.tar  x.parquet       here
    shards/train-{0000..0146}.tar  shards/*.tar   patterns, here or behind a URL
    s3://...  gs://...  hf://...  memory://...    anything that fsspec opens; file://... is a path here
    owner/name                                    a data set of the Hugging Face hub, where no such path exists here

A folder holds .tar shards, or else .parquet files, or else (in a tree) photographs; the first kind found is taken.
"""

from __future__ import annotations

import glob
import itertools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DataError
from . import hub

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")
TAR, PARQUET, PHOTOS = "tar", "parquet", "photographs"
_CONTAINERS = {".tar": TAR, ".parquet": PARQUET}
_EXPECTED = "expected a folder of photographs, .tar shards or .parquet files"
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


@dataclass(frozen=True)
class Location:
    """A file or folder: `url` is a local path where `remote` is False, else a URL that fsspec opens."""

    url: str
    remote: bool = False

    @property
    def name(self) -> str:
        return self.url.rstrip("/").rsplit("/", 1)[-1]

    def filesystem(self) -> tuple[Any, str]:
        """(fsspec file system, path in it). Not cached: connections do not survive the fork of a worker."""
        return _open_filesystem(self.url)


@dataclass(frozen=True)
class Found:
    """kind: TAR, PARQUET or PHOTOS; files: the containers; of photographs: their paths beneath `root`, and no files."""

    kind: str
    files: list[Location]
    root: Location
    photographs: list[str]


def find(data: str | Path) -> Found:
    """What `data` means. Raises DataError: not there, a pattern without a match, a folder with nothing usable."""
    text = os.fspath(data)
    if text.startswith("file://"):
        text = text.removeprefix("file://")
    if "://" not in text and not Path(text).exists() and not _is_pattern(text) and hub.is_dataset_id(text):
        try:
            return _find_remote(hub.url_of(text))
        except DataError as error:
            raise DataError(
                f"{text}: no such folder here, and as a data set of the Hugging Face hub: {error}"
            ) from error
    return _find_remote(text) if "://" in text else _find_local(text)


def _find_local(text: str) -> Found:
    path = Path(text)
    if not path.exists() and _is_pattern(text):
        return _containers(text, [Location(p) for p in _expand(text, text, lambda p: sorted(glob.glob(p)))])  # noqa: PTH207
    if not path.exists():
        raise DataError(f"{text}: not there; {_EXPECTED}")
    if path.is_file():
        return _containers(text, [Location(text)])
    try:
        for suffix, pattern in ((".tar", "*"), (".parquet", "**/*")):
            files = sorted(str(p) for p in path.glob(pattern + suffix) if not p.name.startswith("."))
            if files:
                return _containers(text, [Location(f) for f in files])
        return _photographs(Location(text), list(_walk(path)))
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be listed ({error.strerror}); expected a readable folder") from error


def _find_remote(url: str) -> Found:
    fs, path = _open_filesystem(url)
    try:
        if hub.is_whole_dataset(url):
            files = hub.parquet_files(url, fs)
        elif _is_pattern(path):
            files = _expand(url, path, lambda p: sorted(fs.glob(p)))
        elif fs.isfile(path):
            files = [path]
        else:
            below = sorted(fs.find(path))
            files = next((f for s in _CONTAINERS if (f := [p for p in below if p.lower().endswith(s)])), [])
            if not files:
                start = len(path.rstrip("/")) + 1
                names = [p[start:] for p in below if _is_photograph(p) and "/." not in p[start - 1 :]]
                return _photographs(Location(url.rstrip("/"), True), names)
    except DataError:
        raise
    except Exception as error:  # each cloud client has its own exceptions
        raise DataError(f"{url}: cannot be listed ({_short(error)}); {_EXPECTED} that can be reached") from error
    return _containers(url, [Location(fs.unstrip_protocol(p), True) for p in files])


def _containers(data: str, files: list[Location]) -> Found:
    kinds = {_CONTAINERS.get(os.path.splitext(f.name)[1].lower(), "") for f in files}  # noqa: PTH122  a URL is no Path
    if len(kinds) != 1 or "" in kinds:
        odd = next((f for f in files if not f.name.lower().endswith(tuple(_CONTAINERS))), files[-1])
        raise DataError(f"{data}: means {odd.name}; expected .tar shards or .parquet files, of one kind, or a folder")
    return Found(kinds.pop(), files, Location(data), [])


def _photographs(root: Location, names: list[str]) -> Found:
    if not names:
        raise DataError(f"{root.url}: no photographs found; expected {', '.join(SUFFIXES)} files, or .tar or .parquet")
    return Found(PHOTOS, [], root, names)


def _is_photograph(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def _walk(folder: Path, prefix: str = "", above: frozenset[str] = frozenset()) -> Iterator[str]:
    """Paths of photographs beneath `folder`, sorted level by level; strings, for there may be a million of them.

    Links to folders are followed, with a check for loops.
    """
    real = os.path.realpath(folder)
    if real in above:
        return
    with os.scandir(folder) as scan:
        found = sorted((e.name, e.is_dir()) for e in scan if not e.name.startswith("."))
    for name, is_folder in found:
        if is_folder:
            yield from _walk(folder / name, f"{prefix}{name}/", above | {real})
        elif _is_photograph(name):
            yield prefix + name


def _is_pattern(text: str) -> bool:
    return any(c in text for c in "*?[{")


def _expand(data: str, pattern: str, globbed: Any) -> list[str]:
    """The files of a pattern with {a..b}, {x,y}, * and ?. Every alternative in braces must be there.

    data: what the user wrote, for messages.
    """
    files: list[str] = []
    for one in expand_braces(pattern):
        found = globbed(one)
        if not found:
            raise DataError(f"{data}: {one} is not there; expected at least one file for each part of the pattern")
        files += found
    return list(dict.fromkeys(files))


def expand_braces(pattern: str) -> list[str]:
    """ "x-{08..10}.{a,b}" -> x-08.a, x-08.b, x-09.a, ...: all combinations; numbers are as wide as the first."""
    parts = re.split(r"\{([^{}]*)\}", pattern)
    choices: list[list[str]] = []
    for i, part in enumerate(parts):
        numbers = _RANGE.fullmatch(part)
        if i % 2 == 0:
            choices.append([part])
        elif numbers:
            width = len(numbers[1])
            choices.append([f"{n:0{width}d}" for n in range(int(numbers[1]), int(numbers[2]) + 1)])
        else:
            choices.append(part.split(","))
    return ["".join(combination) for combination in itertools.product(*choices)]


def _open_filesystem(url: str) -> tuple[Any, str]:
    # Before the hub's client is imported: its requests would tell PyTorch's version too (Python's they always tell).
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    import fsspec

    try:
        fs, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise DataError(f"{url}: {error}; install that package too, or copy the data to this machine") from error
    except (ValueError, OSError) as error:
        raise DataError(
            f"{url}: cannot be opened ({_short(error)}); expected a URL such as s3://bucket/shards"
        ) from error
    return fs, path


def _short(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__

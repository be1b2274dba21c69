"""Photographs into WebDataset tars: `photochrom data pack FOLDER -o SHARDS`. The folder SHARDS holds

    shard-000000.tar ...   KEY.webp (or .jpg), and KEY.cls where the photographs lie in one folder a class
    SHA256SUMS             of the complete shards, as `sha256sum --check` reads it
    skipped.jsonl          the photographs left out, with the reason
    classes.txt            the classes by number, one a line
    pack.json              what the shards were made of and how

The same photographs and settings give the same bytes, on any number of processes. After an interruption, run it again:
complete shards are kept, the unfinished one is made again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from ..atomic_file import output_error, part_file, remove_stale_parts
from ..errors import DataError, OutputError, SettingError
from .locations import SUFFIXES as PHOTO_SUFFIXES
from .pack_photo import SUFFIXES, Encoding, Packed, Packer
from .photo_list import PhotoList, fingerprint
from .photograph import Limits, UnusablePhoto
from .skips import Skips
from .survey import survey

VERSION = 1  # version of the layout; a folder with another version is not continued
SUMS, SKIPPED, CLASSES, ABOUT = "SHA256SUMS", "skipped.jsonl", "classes.txt", "pack.json"


@dataclass(frozen=True)
class PackSettings:
    """encoding: of the photographs; limits: which are left out; per_shard: photographs that a shard is made of."""

    encoding: Encoding = field(default_factory=Encoding)
    limits: Limits = field(default_factory=Limits)
    per_shard: int = 5000

    def __post_init__(self) -> None:
        if self.per_shard < 1:
            raise SettingError(f"per_shard is {self.per_shard}; expected at least 1")


@dataclass(frozen=True)
class Shard:
    """A complete shard. photographs: in it; skipped: left out of it; kept: it was there already."""

    name: str
    photographs: int
    skipped: int
    size: int
    kept: bool


def pack(photos: PhotoList, target: Path, settings: PackSettings, jobs: int = 1) -> Iterator[Shard]:
    """Make the shards in the folder `target`, one after the other; yields each when it is complete.

    Raises OutputError (a folder that holds anything else, no space), DataError (no photograph can be used, the source
    fails).
    """
    classes = class_names(photos)
    order = _order(photos)
    _begin(target, photos, settings, classes)
    names = packed_keys(photos)
    done, skipped = _complete(target), _skipped_lines(target)
    shards = {
        f"shard-{number:06d}.tar": order[start : start + settings.per_shard]
        for number, start in enumerate(range(0, len(photos), settings.per_shard))
    }
    rest = np.concatenate([np.zeros(0, np.int64), *(indices for name, indices in shards.items() if name not in done)])
    packer = Packer(settings.encoding, settings.limits)
    packed = (photo for part in survey(photos, rest, packer, jobs) for photo in part)
    suffix = SUFFIXES[settings.encoding.format]
    used = 0
    for name, indices in shards.items():
        kept = name in done
        if not kept:
            with part_file(target / name, overwrite=True) as part:
                pairs = zip((names(int(i)) for i in indices), packed, strict=False)  # names end first: packed goes on
                lost = _write_tar(part, pairs, suffix, classes)
                done[name] = _sha256(part)
            skipped[name] = [_skip_line(name, photo) for photo in lost]
            # The checksum last: a shard counts as complete only when all its files are written.
            _write(target / SKIPPED, "".join(line for shard in sorted(skipped) for line in skipped[shard]))
            _write(target / SUMS, "".join(f"{done[shard]}  {shard}\n" for shard in sorted(done)))
        left_out = len(skipped.get(name, []))
        used += len(indices) - left_out
        yield Shard(name, len(indices) - left_out, left_out, (target / name).stat().st_size, kept)
    if not used:
        raise DataError(
            f"none of the {len(photos)} photographs can be used (see {target / SKIPPED}); expected coloured ones "
            f"with a short side of at least {settings.limits.min_side} pixels"
        )


def class_names(photos: PhotoList) -> list[str]:
    """The classes, sorted, where every photograph lies in exactly one folder and there are two or more; else []."""
    found = set()
    for key in photos.raw_keys():
        folder, slash, name = key.partition(b"/")
        if not slash or b"/" in name:
            return []
        found.add(folder)
    return sorted(map(_text, found)) if len(found) > 1 else []


def packed_keys(photos: PhotoList) -> Callable[[int], str]:
    """index -> the key in the tar: the path without its ending. WebDataset takes all from the first dot on for the
    ending, so other dots become "_"; what is then no longer unique gets a few digits of the path's hash."""
    hashes = np.fromiter((_hash(_bare(key)) for key in photos.raw_keys()), np.uint64, len(photos))
    values, counts = np.unique(hashes, return_counts=True)
    repeated = set(values[counts > 1].tolist())

    def name(index: int) -> str:
        key = os.fsencode(photos[index].key)
        bare = _text(_bare(key))
        return f"{bare}-{hashlib.sha256(key).hexdigest()[:12]}" if int(hashes[index]) in repeated else bare

    return name


def _bare(key: bytes) -> bytes:
    folder, slash, name = key.rpartition(b"/")
    stem, dot, ending = name.rpartition(b".")
    is_file = os.fsdecode(dot + ending).lower() in PHOTO_SUFFIXES  # rows of Parquet are called otherwise
    return folder + slash + (stem if is_file else name).replace(b".", b"_")


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")  # file names need not be UTF-8; those in a shard should


def _hash(text: bytes) -> int:
    return int.from_bytes(hashlib.sha256(text).digest()[:8])


def _order(photos: PhotoList) -> NDArray[np.int64]:
    """Shuffled by the hashes of the keys, so that sequential readers do not see one class after another. Photographs in
    blocks keep their order."""
    if photos.blocks:
        return np.arange(len(photos))
    hashes = np.fromiter((_hash(key) for key in photos.raw_keys()), np.uint64, len(photos))
    return np.argsort(hashes, kind="stable")


def _begin(target: Path, photos: PhotoList, settings: PackSettings, classes: list[str]) -> None:
    """Make the folder, or check that packing can continue in it; write its description."""
    about = {
        "version": VERSION,
        "settings": dataclasses.asdict(settings),
        "photographs": len(photos),
        "fingerprint": fingerprint(photos),
    }
    try:
        target.mkdir(parents=True, exist_ok=True)
        remove_stale_parts(target)
        there = sorted(path.name for path in target.iterdir())
    except OSError as error:
        raise output_error(target / ABOUT, error) from error
    if ABOUT in there:
        _check_same(target / ABOUT, about)
    elif there:
        raise OutputError(target, f"holds something else already ({there[0]})", "expected a new or unfinished folder")
    if classes:
        _write(target / CLASSES, "".join(f"{name}\n" for name in classes))
    _write(target / ABOUT, json.dumps(about, indent=2) + "\n")


def _check_same(file: Path, about: dict[str, object]) -> None:
    try:
        before = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise OutputError(file, f"cannot be read ({error})", "expected a new or unfinished folder") from error
    for key, value in about.items():
        found = before.get(key) if isinstance(before, dict) else None
        if found != value:
            raise OutputError(
                file.parent,
                f"was packed with other {key} ({found})",
                f"expected {value}; choose another folder with -o",
            )


def _complete(target: Path) -> dict[str, str]:
    """{shard: sha256} of those that are there and whole."""
    done = {}
    file = target / SUMS
    for line in file.read_text().splitlines() if file.exists() else []:
        digest, _, name = line.partition("  ")
        path = target / name
        if name and path.is_file() and _sha256(path) == digest:
            done[name] = digest
    return done


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _write_tar(
    part: Path, packed: Iterator[tuple[str, Packed | UnusablePhoto]], suffix: str, classes: Sequence[str]
) -> list[UnusablePhoto]:
    """Write the photographs that can be used; returns the others."""
    numbers = {name: number for number, name in enumerate(classes)}
    left_out = []
    with part.open("wb") as stream, tarfile.open(fileobj=stream, mode="w") as archive:
        for name, photo in packed:
            if isinstance(photo, UnusablePhoto):
                left_out.append(photo)
                continue
            _add(archive, name + suffix, photo.content)
            if classes:
                folder = _text(os.fsencode(photo.key.partition("/")[0]))
                _add(archive, f"{name}.cls", str(numbers[folder]).encode())
    return left_out


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)  # date, owner and mode at their defaults: the same bytes everywhere
    info.size = len(content)
    reader: IO[bytes] = io.BytesIO(content)
    archive.addfile(info, reader)


def _skip_line(shard: str, photo: UnusablePhoto) -> str:
    values = {"shard": shard, "key": photo.key, "reason": photo.reason, "detail": photo.detail}
    return json.dumps(values) + "\n"


def _skipped_lines(target: Path) -> dict[str, list[str]]:
    lines: dict[str, list[str]] = {}
    file = target / SKIPPED
    for line in file.read_text().splitlines(keepends=True) if file.exists() else []:
        lines.setdefault(json.loads(line)["shard"], []).append(line)
    return lines


def skipped_of(target: Path) -> Skips:
    """The photographs left out of the shards in a folder, by reason."""
    skips = Skips()
    for lines in _skipped_lines(target).values():
        for values in map(json.loads, lines):
            skips.counts[values["reason"]] += 1
            skips.names.setdefault(values["reason"], []).append(values["key"])
    return skips


def _write(file: Path, text: str) -> None:
    with part_file(file, overwrite=True) as part:
        part.write_text(text)

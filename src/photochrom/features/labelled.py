"""Labelled photographs, and their split into training and test sets of a probe.

The split is a function of the key alone: a photograph is always in the same set, whatever the other options.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..data.photo_list import PhotoList, fingerprint
from ..data.sources import find_photos
from ..errors import DataError, SettingError
from .class_labels import class_names, compiled

PARTS = 5  # equal shares, by hash: one is the test's, one that for choosing settings
TEST, VALIDATION = 0, 1
SPLITS = ("test", "validation")


@dataclass(frozen=True)
class Selection:
    """Which photographs take part, and where their classes are read.

    only: a regular expression that must be found in the key; least: photographs that a class must have, or it is left
    out; limit: at most so many photographs, evenly drawn by hash; split: "test", a fifth that serves for nothing else;
    or "validation", to choose settings by: train on three fifths, measure on the fourth, leave the test's alone;
    class_from_key, label_column: see class_names.
    """

    only: str | None = None
    least: int = 10
    limit: int | None = None
    split: str = "test"
    class_from_key: str | None = None
    label_column: str | None = None

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise SettingError(f"split is {self.split!r}; expected one of: {', '.join(SPLITS)}")
        if self.least < 1:
            raise SettingError(f"least is {self.least}; expected at least 1 photograph a class")
        if self.limit is not None and self.limit < 1:
            raise SettingError(f"limit is {self.limit}; expected at least 1 photograph")


@dataclass(frozen=True)
class Labelled:
    """photos: all that take part, n; labels: [n] index into `classes`; is_test: [n], the others are trained on;
    left_out: reason -> how many photographs; damage: what of the data could not be read."""

    photos: PhotoList
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    is_test: NDArray[np.bool_]
    left_out: dict[str, int]

    @property
    def damage(self) -> list[str]:
        return self.photos.damage

    def fingerprint(self) -> str:
        """A hash: equal if two probes used the same photographs, classes and split."""
        digest = hashlib.sha256(fingerprint(self.photos).encode())
        digest.update("\0".join(self.classes).encode("utf-8", "surrogateescape"))
        digest.update(self.labels.tobytes() + self.is_test.tobytes())
        return digest.hexdigest()


def find_labelled(
    data: str | Path, selection: Selection | None = None, test_data: str | Path | None = None
) -> Labelled:
    """The labelled photographs of `data`, split by the hash of their keys.

    data: what data/locations.py knows (a folder of class folders, tars, Parquet, a data set's id). test_data: the
    photographs to test on, where they lie elsewhere; then all of `data` is trained on. Raises DataError: no
    photographs, no classes, fewer than two of them, nothing to train or test on; SettingError for a wrong expression.
    """
    selection = selection or Selection()
    if test_data is not None and selection.split != "test":
        raise SettingError(f"split is {selection.split!r} beside data to test on; expected one of them")
    left_out: Counter[str] = Counter()
    photos, names = _named(data, selection, left_out)
    parts = _parts(photos)
    if test_data is None:
        is_test = parts == (TEST if selection.split == "test" else VALIDATION)
        if selection.split == "validation":
            photos, names, is_test = _take(photos, names, is_test, parts != TEST)
    else:
        known = set(names)
        others, other_names = _named(test_data, selection, left_out)
        kept = np.array([name in known for name in other_names])
        left_out["class not in the training data"] += int((~kept).sum())
        others, other_names, _ = _take(others, other_names, kept, kept)
        is_test = np.arange(len(photos) + len(others)) >= len(photos)
        photos, names = PhotoList.of([*photos, *others]), names + other_names
    sizes = Counter(names)
    large = np.array([sizes[name] >= selection.least for name in names], dtype=bool)
    left_out[f"class of fewer than {selection.least} photographs"] += int((~large).sum())
    photos, names, is_test = _take(photos, names, is_test, large)
    if selection.limit is not None and selection.limit < len(photos):
        chosen = np.zeros(len(photos), dtype=bool)
        chosen[np.argsort(_ranks(photos), kind="stable")[: selection.limit]] = True
        left_out["beyond the limit"] += int((~chosen).sum())
        photos, names, is_test = _take(photos, names, is_test, chosen)
    classes = tuple(sorted(set(names)))
    _check(data, classes, is_test, left_out)
    number = {name: i for i, name in enumerate(classes)}
    labels = np.array([number[name] for name in names], dtype=np.int64)
    return Labelled(photos, labels, classes, is_test, {why: n for why, n in left_out.items() if n})


def _named(data: str | Path, selection: Selection, left_out: Counter[str]) -> tuple[PhotoList, list[str]]:
    """The photographs of `data` that take part and have a class, and their classes."""
    photos = find_photos(data)
    found = class_names(photos, selection.class_from_key, selection.label_column)
    wanted = np.ones(len(photos), dtype=bool)
    if selection.only is not None:
        only = compiled(selection.only, "--only")
        wanted = np.array([only.search(entry.key) is not None for entry in photos], dtype=bool)
        left_out["key without --only"] += int((~wanted).sum())
        if not wanted.any():
            raise DataError(
                f"{data}: none of the {len(photos)} keys has {selection.only!r} in it; expected some: they are like "
                f"{photos[0].key!r}"
            )
    known = np.array([name is not None for name in found], dtype=bool)
    left_out["class not known"] += int((wanted & ~known).sum())
    if not (wanted & known).any():
        key = photos[int(np.flatnonzero(wanted)[0])].key
        raise DataError(
            f"{data}: none of the {int(wanted.sum())} photographs has a class (one is {key!r}); expected a folder a "
            "class, .cls members in tars, a column of labels, or keys like source-class-number: or say where the "
            "class is with --class-from-key"
        )
    names = [name for name, take in zip(found, wanted & known, strict=True) if take and name is not None]
    return photos.take(wanted & known), names


def _take(
    photos: PhotoList, names: list[str], is_test: NDArray[np.bool_], kept: NDArray[np.bool_]
) -> tuple[PhotoList, list[str], NDArray[np.bool_]]:
    return photos.take(kept), [name for name, keep in zip(names, kept, strict=True) if keep], is_test[kept]


def _digest(key: bytes) -> bytes:
    # Salted, to be independent of the hash that keeps photographs out of training (photo_list.py).
    return hashlib.sha256(b"probe\0" + key).digest()


def _parts(photos: PhotoList) -> NDArray[np.int64]:
    """[n] 0..PARTS-1."""
    digests = (int.from_bytes(_digest(key)[:4]) % PARTS for key in photos.raw_keys())
    return np.fromiter(digests, np.int64, len(photos))


def _ranks(photos: PhotoList) -> NDArray[np.uint64]:
    """[n] numbers to draw by, independent of the parts."""
    return np.fromiter((int.from_bytes(_digest(key)[8:16]) for key in photos.raw_keys()), np.uint64, len(photos))


def _check(data: str | Path, classes: tuple[str, ...], is_test: NDArray[np.bool_], left_out: Counter[str]) -> None:
    reasons = ", ".join(f"{n} left out: {why}" for why, n in left_out.items() if n)
    found = f"{int((~is_test).sum())} photographs to train on, {int(is_test.sum())} to test on"
    if len(classes) < 2:
        which = f"only the class {classes[0]!r}" if classes else "no class"
        raise DataError(
            f"{data}: {which} ({found}{'; ' if reasons else ''}{reasons}); expected at least two classes: look at "
            "--only, --least, --limit and --class-from-key"
        )
    if is_test.all() or not is_test.any():
        raise DataError(f"{data}: {found}; expected some of both: give more photographs")

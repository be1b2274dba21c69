"""The photographs of an evaluation: listing, halves, labels, reading."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyvips
from numpy.typing import NDArray

from ..color import rgb_to_lab
from ..errors import DataError, MissingPhotoError, SettingError, UnreadablePhotoError

Item = TypeVar("Item")

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".heic", ".avif"})
HALVES = ("all", "even", "odd")
CLASSES = 1000  # of ImageNet-1k
FAIL_ON = "truncated"  # truncated photographs are errors
WHOLE = 512  # pixels: the short side that a whole photograph is reduced to, if it is larger


@dataclass(frozen=True)
class Photograph:
    """A colour photograph in memory: `rgb` is uint8 [H, W, 3], sRGB."""

    name: str
    rgb: NDArray[np.uint8]

    @cached_property
    def lab(self) -> NDArray[np.float32]:
        """CIE Lab [H, W, 3] float32."""
        return rgb_to_lab(self.rgb.astype(np.float32) / 255)

    @property
    def lightness(self) -> NDArray[np.float32]:
        """CIE L [H, W] float32, 0..100."""
        return self.lab[..., 0]

    @property
    def ab(self) -> NDArray[np.float32]:
        """CIE ab [H, W, 2] float32: the truth."""
        return self.lab[..., 1:]


def list_photographs(folder: Path) -> list[Path]:
    """All photographs under a folder, in sorted order of their path in it. Raises DataError if there are none."""
    if not folder.is_dir():
        raise DataError(f"{folder}: not a folder; expected a folder of colour photographs")
    found = [path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")]
    if not found:
        raise DataError(f"{folder}: no photographs found; expected files ending in {', '.join(sorted(SUFFIXES))}")
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def take_half(paths: list[Path], half: str) -> list[Path]:
    """The photographs at even (0, 2, ...) or odd (1, 3, ...) positions of a sorted list, or all of them."""
    if half not in HALVES:
        raise SettingError(f"half is {half!r}; expected one of {', '.join(HALVES)}")
    return paths if half == "all" else paths[HALVES.index(half) - 1 :: 2]


def spread(paths: list[Item], limit: int | None) -> list[Item]:
    """At most `limit` of the items, evenly spread over the list, so that a sorted list keeps its variety."""
    if limit is None or limit >= len(paths):
        return paths
    if limit < 1:
        raise SettingError(f"limit is {limit}; expected at least 1")
    return [paths[i * len(paths) // limit] for i in range(limit)]


def read_labels(table: Path, folder: Path) -> dict[str, int]:
    """A CSV with columns file, imagenet_class as {path in `folder`: class 0..999}; an empty class is no label.

    Raises DataError, naming the row.
    """
    if not table.is_file():
        raise DataError(f"{table}: no such file; expected a CSV with the columns file, imagenet_class")
    labels: dict[str, int] = {}
    try:
        text = table.read_text(encoding="utf-8-sig")
    except (UnicodeDecodeError, OSError) as error:
        raise DataError(f"{table}: not a text file; expected a CSV with the columns file, imagenet_class") from error
    with io.StringIO(text, newline="") as lines:
        rows = csv.DictReader(lines)
        if not {"file", "imagenet_class"} <= set(rows.fieldnames or ()):
            raise DataError(f"{table}: columns are {rows.fieldnames}; expected file, imagenet_class")
        for number, row in enumerate(rows, 2):
            name, text = row["file"], row["imagenet_class"] or ""
            if not (folder / name).is_file():
                raise DataError(f"{table}, line {number}: {name} is not in {folder}; remove the row or add the file")
            if not text:
                continue
            if not text.isdecimal() or int(text) >= CLASSES:
                raise DataError(f"{table}, line {number}: class is {text!r}; expected 0..{CLASSES - 1}, or empty")
            labels[name] = int(text)
    if not labels:
        raise DataError(f"{table}: no labelled photographs; expected at least one row with a class")
    return labels


def read_whole(path: Path) -> Photograph:
    """A photograph at its own size, or with its short side reduced to WHOLE pixels: no classifier sees more, and a scan
    of 200 megapixels would fill the memory. Raises MissingPhotoError, UnreadablePhotoError."""
    return Photograph(path.name, _pixels(path, None))


def read_crop(path: Path, side: int) -> Photograph:
    """The central square of a photograph, its short side resized to `side` pixels (left as is where it is that).

    Raises MissingPhotoError, UnreadablePhotoError.
    """
    return Photograph(path.name, _pixels(path, side))


def _pixels(path: Path, crop: int | None) -> NDArray[np.uint8]:
    if not path.is_file():
        raise MissingPhotoError(path, "no such file", "expected a photograph")
    try:
        if crop is None:
            header = pyvips.Image.new_from_file(str(path), access="sequential", fail_on=FAIL_ON)
            if min(header.width, header.height) > WHOLE:
                box = round(WHOLE * max(header.width, header.height) / min(header.width, header.height))
                image = pyvips.Image.thumbnail(str(path), box, height=box, size="down", fail_on=FAIL_ON)
            else:
                image = header.autorot()
        else:
            image = pyvips.Image.thumbnail(str(path), crop, height=crop, crop="centre", size="both", fail_on=FAIL_ON)
        if image.get_typeof("icc-profile-data"):
            image = image.icc_transform("srgb", embedded=True)
        image = image.colourspace("srgb")
        if image.hasalpha():
            image = image.flatten(background=255)
        return np.ascontiguousarray(image.cast("uchar").numpy())
    except pyvips.Error as error:
        raise UnreadablePhotoError(path, _what_is_wrong(str(error)), "expected a whole photograph") from error


def _what_is_wrong(message: str) -> str:
    """A readable form of libvips' message: its last line, without internal names."""
    if "not a known file format" in message:
        return "not a photograph of a known format"
    return message.strip().splitlines()[-1].strip() or "damaged"

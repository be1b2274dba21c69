"""The folders of a VOCdevkit: which photographs a split has, and where their annotations and masks lie.

VOCdevkit/VOC2007/JPEGImages/000005.jpg
                  Annotations/000005.xml
                  ImageSets/Main/{train,val,trainval,test}.txt      one name a line
                  ImageSets/Main/CLASS_trainval.txt                 name and 1 (there), -1 (not), 0 (only difficult)
                  ImageSets/Segmentation/{train,val,...}.txt
                  SegmentationClass/000032.png                      palette PNG
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from .annotation import Annotation, read_annotation

Purpose = Literal["Main", "Segmentation"]
SUFFIXES = (".jpg", ".jpeg", ".png", ".JPG")  # VOC's own is the first
NAMED = 3  # names that an error shows


class VocFolder:
    """One year's folder of a VOCdevkit. root: that folder; classes: the names that its objects may have.

    data: the VOCdevkit, a folder that holds one, or the year's folder itself. Raises DataError.
    """

    def __init__(self, data: Path, year: str, classes: Sequence[str]) -> None:
        self.root = _find_root(data, year)
        self.classes = tuple(classes)

    def names(self, purpose: Purpose, split: str) -> list[str]:
        """The photographs of a split, in its file's order. Raises DataError: no such split, none in it, one twice."""
        return list(self._set_file(purpose, split))

    def photograph(self, name: str) -> Path:
        """Its file. Raises DataError where there is none."""
        folder = self.root / "JPEGImages"
        for suffix in SUFFIXES:
            if (path := folder / f"{name}{suffix}").is_file():
                return path
        raise DataError(f"{folder / name}.jpg: not there; expected the photograph, for a split of ImageSets names it")

    def annotation(self, name: str) -> Annotation:
        """What is in a photograph. Raises DataError (see read_annotation)."""
        return read_annotation(self.root / "Annotations" / f"{name}.xml", self.classes)

    def mask(self, name: str) -> Path:
        """The file of its mask of classes (see label_map.py)."""
        return self.root / "SegmentationClass" / f"{name}.png"

    def labels(self, names: Sequence[str], split: str) -> NDArray[np.int8]:
        """[len(names), classes]: 1 where a class is in a photograph, -1 where not, 0 where only difficult ones are:
        these count neither way.

        From the CLASS_split.txt files; where a set has none at all, from its annotations. Raises DataError.
        """
        folder = self.root / "ImageSets" / "Main"
        there = [each for each in self.classes if (folder / f"{each}_{split}.txt").is_file()]
        if not there:
            return np.array([self._labels_of(name) for name in names], np.int8).reshape(-1, len(self.classes))
        if missing := [each for each in self.classes if each not in there]:
            raise DataError(
                f"{folder / missing[0]}_{split}.txt: not there, but {there[0]}_{split}.txt is; expected such a file "
                "for each class, or none at all (the annotations are read then); --classes FILE names other classes"
            )
        columns = []
        for each in self.classes:
            found = self._set_file("Main", f"{each}_{split}")
            if lacking := [name for name in names if name not in found]:
                raise DataError(
                    f"{folder / each}_{split}.txt: lacks {len(lacking)} of the photographs of {split}.txt "
                    f"({_some(lacking)}); expected a line for each"
                )
            columns.append([self._label(folder / f"{each}_{split}.txt", name, found[name]) for name in names])
        return np.array(columns, np.int8).T

    def _labels_of(self, name: str) -> list[int]:
        """-1, 0 or 1 for each class, from the annotation."""
        values = dict.fromkeys(self.classes, -1)
        for thing in self.annotation(name).things:
            values[thing.name] = max(values[thing.name], 0 if thing.difficult else 1)
        return list(values.values())

    def _label(self, path: Path, name: str, words: list[str]) -> int:
        if len(words) != 1 or words[0] not in ("1", "+1", "-1", "0"):
            found = " ".join(words) or "nothing"
            raise DataError(f"{path}: {name} is followed by {found}; expected 1, -1 or 0")
        return int(words[0])

    def _set_file(self, purpose: Purpose, split: str) -> dict[str, list[str]]:
        """name -> the other words of its line."""
        folder = self.root / "ImageSets" / purpose
        path = folder / f"{split}.txt"
        if not folder.is_dir():
            raise DataError(f"{folder}: not there; expected the splits of the set, {split}.txt among them")
        try:
            lines = path.read_text("utf-8").splitlines()
        except FileNotFoundError as error:
            splits = sorted(each.stem for each in folder.glob("*.txt") if "_" not in each.stem)
            known = ", ".join(splits) or "none at all"
            raise DataError(f"{path}: not there; expected one of the splits in this folder: {known}") from error
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{path}: could not be read ({error}); expected a name a line") from error
        found: dict[str, list[str]] = {}
        for number, line in enumerate(lines, 1):
            words = line.split()
            if words and words[0] in found:
                raise DataError(f"{path}, line {number}: {words[0]} comes a second time; expected each photograph once")
            if words:
                found[words[0]] = words[1:]
        if not found:
            raise DataError(f"{path}: is empty; expected a name a line")
        return found


def _find_root(data: Path, year: str) -> Path:
    candidates = (data / f"VOC{year}", data / "VOCdevkit" / f"VOC{year}", data)
    for candidate in candidates:
        if (candidate / "JPEGImages").is_dir():
            return candidate
    if not data.is_dir():
        raise DataError(f"{data}: no such folder; expected a VOCdevkit with VOC{year} in it")
    raise DataError(
        f"{data}: holds neither VOC{year}/JPEGImages nor JPEGImages; expected a VOCdevkit: VOC{year} with JPEGImages, "
        "Annotations, ImageSets and, for segmentation, SegmentationClass; --year chooses another year"
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (" ..." if len(names) > NAMED else "")

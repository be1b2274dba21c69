"""The classes of a data set in VOC's layout: the 20 of PASCAL VOC, or those that a file names."""

from __future__ import annotations

from pathlib import Path

from ...errors import DataError

VOC_CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog", 
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip


def read_classes(path: Path) -> tuple[str, ...]:
    """The names in a text file, one a line, in order; empty lines are passed over. Class 0 of segmentation, the
    background, is not among them. Raises DataError: no such file, no names, a name twice."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: could not be read ({error}); expected a text file with a class a line") from error
    names: list[str] = []
    for number, line in enumerate(lines, 1):
        name = line.strip()
        if name in names:
            raise DataError(f"{path}, line {number}: the class {name!r} comes a second time; expected each once")
        if name:
            names.append(name)
    if not names:
        raise DataError(f"{path}: names no class; expected a text file with a class a line")
    return tuple(names)

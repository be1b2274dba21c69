"""Proposals: the boxes of a photograph in which a detector looks. From a file, or by OpenCV's selective search.

Files, each with boxes as VOC counts them (xmin, ymin, xmax, ymax: from 1, the last pixel included):

    .npz   an array [n, 4] for each photograph, under its name (numpy.savez_compressed("p.npz", **{"000005": boxes}))
    folder the same with a file NAME.npy for each photograph: what a search leaves
    .csv   with the header photograph,xmin,ymin,xmax,ymax
    .mat   as published with selective search and R-CNN: `images` (names) and `boxes` (for each [n, 4]: ymin, xmin,
           ymax, xmax), MATLAB's format before 7.3
"""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...atomic_file import part_file
from ...errors import DataError, SettingError
from .boxes import Floats
from .photographs import read_photograph
from .report import make_folder

Proposals = dict[str, NDArray[np.float32]]  # name -> boxes [n, 4] as in boxes.py: between the pixels, from 0
SEARCH = "selective-search"  # instead of a file's name
COLUMNS = ["photograph", "xmin", "ymin", "xmax", "ymax"]
OFFSET = np.array([1, 1, 0, 0], np.float32)  # what VOC's boxes have more than ours
FORMATS = "boxes xmin, ymin, xmax, ymax: see docs/voc.md"
LEAST_SIDE = 1.0  # pixels; a box below that has nothing in it


def read_proposals(paths: Sequence[Path], names: Collection[str]) -> Proposals:
    """The boxes of the photographs `names`, from the first of the files that has them; what is there twice once.

    Raises DataError naming the file (and line): not there, damaged, of another format, not four numbers a box, a box
    that is none; a photograph of `names` that no file has boxes for. SettingError for a .mat without scipy.
    """
    found: Proposals = {}
    for path in paths:
        wanted = [name for name in names if name not in found]
        found |= {name: _checked(path, name, boxes) for name, boxes in _read(path, wanted).items() if len(boxes)}
    if lacking := [name for name in names if name not in found]:
        more = " ..." if len(lacking) > 3 else ""
        raise DataError(
            f"{', '.join(map(str, paths))}: no boxes for {len(lacking)} of {len(names)} photographs "
            f"({', '.join(lacking[:3])}{more}); expected some for each that is trained or tested on; --proposals may "
            "be given several times"
        )
    return found


def _read(path: Path, names: Collection[str]) -> Mapping[str, Floats]:
    readers: dict[str, Callable[[Path, Collection[str]], Mapping[str, Floats]]] = {
        ".npz": _read_npz,
        ".csv": _read_csv,
        ".mat": _read_mat,
    }
    reader = _read_folder if path.is_dir() else readers.get(path.suffix)
    if not path.exists():
        raise DataError(f"{path}: not there; expected a file or folder of proposals, or {SEARCH}")
    if reader is None:
        raise DataError(
            f"{path}: has the suffix {path.suffix!r}; expected proposals as {', '.join(readers)} or a folder"
        )
    try:
        return reader(path, names)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not proposals ({error}); expected them as {FORMATS}") from error


def _read_folder(path: Path, names: Collection[str]) -> Mapping[str, Floats]:
    return {name: np.load(file, allow_pickle=False) for name in names if (file := path / f"{name}.npy").exists()}


def _checked(path: Path, name: str, boxes: Floats) -> NDArray[np.float32]:
    """VOC's corners to ours; what is given twice once."""
    values = np.asarray(boxes, np.float32)
    if values.ndim != 2 or values.shape[1] != 4 or not np.isfinite(values).all():
        raise DataError(f"{path}: {name} has the shape {list(values.shape)}; expected [n, 4], all values finite")
    values = np.unique(values - OFFSET, axis=0)
    sides = values[:, 2:] - values[:, :2]
    if (sides < LEAST_SIDE).any():
        x0, y0, x1, y1 = values[np.flatnonzero((sides < LEAST_SIDE).any(1))[0]] + OFFSET
        raise DataError(
            f"{path}: {name} has the box {x0:g}, {y0:g} to {x1:g}, {y1:g}; expected xmin <= xmax and ymin <= ymax: are "
            "the columns in another order, or widths and heights in the place of corners?"
        )
    return values


def _read_npz(path: Path, names: Collection[str]) -> Mapping[str, Floats]:
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in names if name in archive.files}


def _read_csv(path: Path, names: Collection[str]) -> Mapping[str, Floats]:
    wanted, boxes = set(names), dict[str, list[list[float]]]()
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.reader(stream)
        if (header := next(reader, [])) != COLUMNS:
            raise DataError(f"{path}, line 1: is {','.join(header)!r}; expected the header {','.join(COLUMNS)}")
        for row in reader:
            try:
                name, *corners = row
                values = [float(each) for each in corners]
            except ValueError:
                values = []
            if len(values) != 4:
                found = ",".join(row)
                raise DataError(f"{path}, line {reader.line_num}: is {found!r}; expected {','.join(COLUMNS)}")
            if name in wanted:
                boxes.setdefault(name, []).append(values)
    return {name: np.array(rows) for name, rows in boxes.items()}


def _read_mat(path: Path, names: Collection[str]) -> Mapping[str, Floats]:
    try:
        from scipy.io import loadmat
        from scipy.io.matlab import MatReadError
    except ImportError as error:
        raise SettingError(
            f"{path}: reading MATLAB's files takes scipy, which is not installed; pip install 'photochrom[eval]', or "
            "give the boxes as .npz or .csv"
        ) from error
    try:
        content = loadmat(path)
    except NotImplementedError as error:  # what SciPy says of 7.3, which is HDF5
        raise DataError(
            f"{path}: is in MATLAB's format 7.3; expected an older one: save('p.mat', 'images', 'boxes', '-v7')"
        ) from error
    except (IndexError, TypeError, MatReadError) as error:  # what SciPy says of a file whose end is missing
        raise ValueError(f"cut off or damaged: {error}") from error
    found = [str(np.asarray(cell).ravel()[0]) for cell in content["images"].ravel()]
    boxes = [np.asarray(cell) for cell in content["boxes"].ravel()]
    if len(found) != len(boxes):
        raise DataError(f"{path}: has {len(found)} images and boxes for {len(boxes)}; expected as many")
    wanted = set(names)
    # Row first, as MATLAB's selective search gives them.
    return {
        name: each.reshape(-1, 4)[:, [1, 0, 3, 2]] for name, each in zip(found, boxes, strict=True) if name in wanted
    }


def search_proposals(
    paths: Mapping[str, Path], folder: Path, done: Callable[[int, int], None] = lambda i, n: None
) -> Proposals:
    """The boxes of each photograph by OpenCV's selective search in its fast mode; seconds a photograph. Each one's are
    kept in `folder` as NAME.npy, and those that are there already are not searched again.

    Raises SettingError where OpenCV lacks it (it is in opencv-contrib-python, not in opencv-python), and OutputError.
    """
    segmentation = _selective_search()
    make_folder(folder)
    for i, (name, path) in enumerate(paths.items()):
        target = folder / f"{name}.npy"
        if not target.exists():
            pixels = np.asarray(read_photograph(path))
            search = segmentation.createSelectiveSearchSegmentation()
            search.setBaseImage(np.ascontiguousarray(pixels[..., ::-1]))  # OpenCV's order of channels
            search.switchToSelectiveSearchFast()
            corners = np.asarray(search.process(), np.float32).reshape(-1, 4)  # x, y, width, height
            corners[:, 2:] += corners[:, :2]
            corners = np.unique(corners[(corners[:, 2:] > corners[:, :2]).all(1)], axis=0)
            whole = np.array([[0, 0, pixels.shape[1], pixels.shape[0]]], np.float32)
            with part_file(target) as part, part.open("wb") as stream:
                np.save(stream, (corners if len(corners) else whole) + OFFSET)  # a blank photograph has no segments
        done(i + 1, len(paths))
    return read_proposals([folder], list(paths))


def require_search() -> None:
    """Raise SettingError now where search_proposals would."""
    _selective_search()


def _selective_search() -> Any:
    expected = f"pip install opencv-contrib-python-headless in the place of opencv-python, or give a file, not {SEARCH}"
    try:
        import cv2
    except ImportError as error:
        raise SettingError(f"selective search takes OpenCV, which is not installed; {expected}") from error
    if not hasattr(cv2, "ximgproc"):
        raise SettingError(f"this OpenCV ({cv2.__version__}) has no selective search (cv2.ximgproc); {expected}")
    return cv2.ximgproc.segmentation

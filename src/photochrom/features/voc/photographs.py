"""The photographs of a set: which can be read, their pixels, and what is done with those before the network."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...data.photograph import FORMATS
from ...errors import DataError

MULTIPLE = 32  # pixels; what trunks want sides to be multiples of
GREY = 119  # sRGB code of L = 50: what photographs are padded with, for networks subtract that
THREADS = 8  # for a first look at the photographs; decoding leaves Python's lock


def read_photograph(path: Path) -> Image.Image:
    """The photograph as RGB, in the pixels as they are stored: annotations count in those, so that a note of how the
    camera was held (EXIF) is passed over. Raises DataError naming the file where it cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata is no matter here; what Pillow refuses is an error
            with Image.open(path, formats=FORMATS) as image:
                return image.convert("RGB")
    except Exception as error:  # on damaged bytes Pillow's plug-ins raise many kinds of exceptions
        raise DataError(f"{path}: unreadable ({type(error).__name__}: {error}); expected a photograph") from error


def stored_size(path: Path) -> tuple[int, int]:
    """(width, height) of a photograph that can be read, in the pixels as they are stored; from its header."""
    with Image.open(path, formats=FORMATS) as image:
        return image.size


def unreadable(paths: Mapping[str, Path]) -> dict[str, str]:
    """name -> why, for the photographs that cannot be decoded to the last pixel. All are looked at before the training,
    so that what is trained and scored on is known."""

    def look(item: tuple[str, Path]) -> tuple[str, str] | None:
        try:
            read_photograph(item[1])
        except DataError as error:
            return item[0], str(error)
        return None

    with ThreadPoolExecutor(THREADS) as pool:
        return dict(found for found in pool.map(look, paths.items()) if found)


def to_codes(image: Image.Image, mirror: bool = False) -> Tensor:
    """uint8 sRGB [3, H, W]."""
    pixels = np.asarray(image)
    return torch.from_numpy(np.ascontiguousarray((pixels[:, ::-1] if mirror else pixels).transpose(2, 0, 1)))


def multiple(side: int) -> int:
    """`side` rounded up to a multiple of MULTIPLE."""
    return -(-side // MULTIPLE) * MULTIPLE


def stacked(photographs: list[Tensor]) -> Tensor:
    """Photographs uint8 [3, h, w] of any sizes as one batch uint8 [N, 3, H, W]: H and W multiples of MULTIPLE that hold
    the largest, each photograph at the upper left, the rest GREY."""
    height, width = (multiple(max(each.shape[axis] for each in photographs)) for axis in (1, 2))
    batch = torch.full((len(photographs), 3, height, width), GREY, dtype=torch.uint8)
    for target, each in zip(batch, photographs, strict=True):
        target[:, : each.shape[1], : each.shape[2]] = each
    return batch

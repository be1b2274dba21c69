"""VOC's masks: palette PNGs whose indices are the classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...errors import DataError

VOID = 255  # the pixels along the outlines, and what nobody could tell: in no loss and no score


def read_mask(path: Path, classes: int) -> NDArray[np.uint8]:
    """[H, W] of 0 (background), 1 .. classes, and VOID.

    Raises DataError naming the file: not there, damaged, no palette or grey PNG (a mask saved in colours has lost its
    classes), a value that is no class.
    """
    expected = f"expected a palette PNG of 0 to {classes} and {VOID}"
    try:
        with Image.open(path, formats=("PNG",)) as image:
            image.load()
            mode, mask = image.mode, np.array(image)
    except FileNotFoundError as error:
        raise DataError(f"{path}: not there; expected the mask of a photograph of this set") from error
    except Exception as error:  # on damaged bytes Pillow's plug-ins raise many kinds of exceptions
        raise DataError(f"{path}: no readable PNG ({type(error).__name__}: {error}); {expected}") from error
    if mode not in ("P", "L"):
        raise DataError(f"{path}: has the colour mode {mode}; {expected}")
    wrong = np.unique(mask[(mask > classes) & (mask != VOID)])
    if len(wrong):
        raise DataError(f"{path}: has the value {wrong[0]}; {expected}; --classes FILE names other classes")
    return mask.astype(np.uint8)

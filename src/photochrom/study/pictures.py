"""The pictures of a study: the masters on disk, and the one picture that a participant is shown.

Masters are STUDY/pictures/<version>/<identifier>.png: sRGB, 8 bit, no metadata. Every version of a photograph, the real
one included, went through the same crop, the same merge with the photograph's own lightness and the same encoder, so
that nothing but the colours tells them apart. A pair is encoded once, as one picture: no name, header or size belongs
to one of its sides.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyvips
from numpy.typing import NDArray

from ..errors import DataError
from .plan import PICTURES, REAL, Pair

GROUND = 119  # sRGB grey of L = 50 about the pictures, so that no colour is judged against a coloured ground
GAP = 16  # pixels between the sides: two blocks of JPEG, so that the sides' blocks lie alike and code alike
QUALITY = 95


def picture_file(study_folder: Path, version: str, identifier: str) -> Path:
    """Where a master lies."""
    return study_folder / PICTURES / version / f"{identifier}.png"


def write_picture(rgb: NDArray[np.uint8], target: Path) -> None:
    """A master from uint8 sRGB [H, W, 3]. Raises pyvips.Error."""
    pyvips.Image.new_from_array(np.ascontiguousarray(rgb)).pngsave(str(target), keep="none")


def read_picture(study_folder: Path, version: str, identifier: str) -> NDArray[np.uint8]:
    """A master as uint8 sRGB [H, W, 3]. Raises DataError if it is missing, damaged or of another kind."""
    file = picture_file(study_folder, version, identifier)
    try:
        image = pyvips.Image.new_from_file(str(file), fail_on="error")
        if image.bands != 3 or image.format != "uchar":
            raise DataError(f"{file}: {image.bands} channels of {image.format}; expected 3 of 8 bits, as built")
        return image.numpy()
    except pyvips.Error as error:
        found = " ".join(str(error).split())
        raise DataError(f"{file}: {found}; expected a whole picture; build the study again") from error


def compose_pair(study_folder: Path, pair: Pair) -> bytes:
    """The pair as one JPEG, left | gap | right: [side, 2 side + GAP] pixels on a neutral ground, without metadata.

    Its header is the same whatever the pair. Raises DataError if a picture is missing or damaged.
    """
    real, other = (read_picture(study_folder, version, pair.photograph) for version in (REAL, pair.version))
    if real.shape != other.shape:
        file = picture_file(study_folder, pair.version, pair.photograph)
        raise DataError(f"{file}: {other.shape[1]} x {other.shape[0]} pixels; expected those of the real photograph")
    gap = np.full((real.shape[0], GAP, 3), GROUND, np.uint8)
    sides = (real, gap, other) if pair.real_side == "left" else (other, gap, real)
    # Standard Huffman tables: optimised ones would make the header depend on the content.
    joined = pyvips.Image.new_from_array(np.concatenate(sides, axis=1))
    encoded: bytes = joined.jpegsave_buffer(Q=QUALITY, subsample_mode="off", optimize_coding=False, keep="none")
    return encoded

"""An image strip by strip, from top to bottom, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyvips

from ..forks import before_libvips
from ..merge import Samples
from .read_errors import Reading

STRIP_PIXELS = 200_000  # decoded at a time: larger strips are slower, their memory comes fresh from the system


def strips_of(image: pyvips.Image, frame_height: int, name: object) -> Iterator[tuple[int, Samples]]:
    """(first row, samples [rows, width, bands]) of an image from top to bottom; no strip crosses two frames.

    Raises UnreadablePhotoError where the file is damaged.
    """
    before_libvips()
    with Reading(name):
        region = pyvips.Region.new(image)
        rows = strip_rows(image.width, frame_height if image.height > frame_height else 0)
        kind = np.uint8 if image.format == "uchar" else np.uint16
        for frame_top in range(0, image.height, frame_height):
            for top in range(frame_top, frame_top + frame_height, rows):
                height = min(rows, frame_top + frame_height - top)
                data = region.fetch(0, top, image.width, height)
                yield top, np.frombuffer(data, kind).reshape(height, image.width, image.bands)


def strip_rows(width: int, frame_height: int = 0) -> int:
    """Rows of a strip of a photograph `width` pixels wide; of an animation, a divisor of its frames' height."""
    rows = max(8, min(256, STRIP_PIXELS // width // 8 * 8))
    if frame_height:
        rows = max(divisor for divisor in range(1, min(rows, frame_height) + 1) if frame_height % divisor == 0)
    return rows

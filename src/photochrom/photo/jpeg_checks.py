"""What a JPEG's data say of their own damage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyvips

END = b"\xff\xd9"
_TAIL = 4096  # bytes; some cameras and programs pad a file


Load = Callable[..., pyvips.Image]
"""Loads the photograph, with libvips' options."""


def lacks_only_its_end(source: Path | bytes, load: Load) -> bool:
    """Whether a JPEG decodes to its last pixel once the end marker is put behind it, and not without."""
    if END in _tail(source):
        return False
    try:
        load(fail_on="truncated").avg()
    except pyvips.Error:
        content = source if isinstance(source, bytes) else source.read_bytes()
        completed = pyvips.Source.new_from_memory(content + END)
        try:
            pyvips.Image.jpegload_source(completed, access="sequential", fail_on="warning").avg()
        except pyvips.Error:
            return False
        return True
    return False


def damage(load: Load) -> str:
    """A note on where the data are damaged, for a JPEG of which libjpeg warns but which it decodes."""
    image = load(fail_on="warning")
    height = image.height
    good, region = 0, pyvips.Region.new(image)
    try:
        for top in range(0, height, 8):
            region.fetch(0, top, image.width, min(8, height - top))
            good = min(top + 8, height)
    except pyvips.Error:
        pass
    share = max(1, round(100 * (height - good) / height))
    return f"its data are damaged: from row {good} of {height} on, up to {share}% of the picture may be wrong"


def _tail(source: Path | bytes) -> bytes:
    if isinstance(source, bytes):
        return source[-_TAIL:]
    with source.open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - _TAIL))
        return file.read()

"""Windows and OS/2 bitmaps, decoded by Pillow."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .decoded import Decoded, Metadata, opened


class Bmp:
    """A bitmap of any depth, compressed by run length or not. Raises as `Decoder`."""

    def __init__(self, source: Path | bytes) -> None:
        from PIL.BmpImagePlugin import BmpImageFile

        # Not Image.open, which has a limit of its own on the number of pixels.
        self._image = BmpImageFile(opened(source))
        self.width, self.height = self._image.size
        grey = self._image.mode in ("1", "L")
        self._mode = "L" if grey else "RGBA" if self._image.mode == "RGBA" else "RGB"
        self.bands, self.bits = len(self._mode) if not grey else 1, 8
        self.notes: list[str] = []
        self.metadata = Metadata()

    def decode(self) -> Decoded:
        samples: Decoded = np.asarray(self._image.convert(self._mode))
        return samples.reshape(self.height, self.width, self.bands)

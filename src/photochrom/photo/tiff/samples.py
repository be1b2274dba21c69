"""A TIFF page's samples as libvips loads them, made those of a photograph: colours, alpha and nothing else.

libvips takes any sample beyond the colours for alpha, halves the alpha's range in 16-bit Lab, and does not read 8-bit
Lab. So it is shown Lab as samples without a meaning (ICCLab, which it does not know), and they are converted here.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pyvips

from .file import Directory
from .page import CIELAB, ICCLAB, PALETTE, PHOTOMETRIC, TiffPage

PROFILE = "icc-profile-data"


def photographic(image: pyvips.Image, page: TiffPage) -> pyvips.Image:
    """The page's colours, and its alpha if it has one, lazily; Lab as sRGB of the page's own depth."""
    if page.photometric == PALETTE or image.bands != page.samples:
        return image  # a palette comes as RGB already; YCbCr may too
    colours = image[: page.colours] if page.extras else image
    if page.is_lab:
        colours = _from_lab(colours, page)
    if page.alpha is None:
        return colours
    return colours.bandjoin(image[page.alpha])


def _from_lab(raw: pyvips.Image, page: TiffPage) -> pyvips.Image:
    """sRGB of Lab samples: signed a and b (CIELab), or offset ones (ICCLab, where 16-bit L ends at 65280)."""
    top, step = (255, 1) if page.bits[0] == 8 else (65535, 256)
    if page.photometric == ICCLAB and step == 256:
        top = 65280
    ab = raw[1:3].cast("float")
    if page.photometric == CIELAB:
        ab = (ab >= 128 * step).ifthenelse(ab - 256 * step, ab)
    else:
        ab = ab - 128 * step
    lab = (raw[0] * (100 / top)).bandjoin(ab / step).copy(interpretation="lab")
    if lab.get_typeof(PROFILE):
        lab.remove(PROFILE)  # of Lab itself: not for the sRGB that comes out
    return lab.colourspace("srgb" if step == 1 else "rgb16")


class RawLabSource:
    """A libvips source of a TIFF in which one page's Lab is declared as what libvips passes on as it is."""

    def __init__(self, source: Path | bytes, directory: Directory, order: str) -> None:
        self._place, self._value = directory.places[PHOTOMETRIC], struct.pack(order + "H", ICCLAB)
        self._file = io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")

    def source(self) -> pyvips.Source:
        source = pyvips.SourceCustom()
        source.on_read(self._read)
        source.on_seek(self._seek)
        return source

    def _seek(self, offset: int, whence: int) -> int:
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError):  # an exception may not leave a callback from C
            return -1

    def _read(self, size: int) -> bytes:
        try:
            start = self._file.tell()
            data = bytearray(self._file.read(size))
        except OSError:
            return b""
        for k in range(2):
            if 0 <= (at := self._place + k - start) < len(data):
                data[at] = self._value[k]
        return bytes(data)

"""What a photograph looks like that is worth a note: a colour negative, a scan of two shades only."""

from __future__ import annotations

import numpy as np

from ..merge import Samples

NEGATIVE = (
    "looks like a negative (its lightest parts are the orange of negative film): coloured as it is; invert it first "
    "for natural colours"
)
TWO_SHADES = (
    "has two shades only (a scan of 1 bit?): too little to tell colours by; scan it again with 8 bits of grey or more"
)
ORANGE = 0.75  # green as a share of red, and blue of green, at most, in the film's base
WARM = 0.6  # least share of the pixels with red above green above blue; all of a grey negative, most of a colour one
LIGHTEST = 95  # percentile from which pixels count as film base


def remarks(samples: Samples) -> list[str]:
    """Notes on a photograph from a small copy, sRGB uint8/uint16 [H, W, 1 or 3]."""
    return [NEGATIVE] if looks_like_negative(samples) else []


def looks_like_negative(samples: Samples) -> bool:
    """Whether these are the colours of a colour negative: the mask dyes the clear film orange, so that even the
    lightest parts are far from white. Sepia prints are white where they are lightest.

    A black-and-white negative has no such sign and is not told from a positive.
    """
    if samples.shape[2] != 3:
        return False
    red, green, blue = (samples[:, :, band].astype(np.float32) for band in range(3))
    if np.mean((red >= green) & (green >= blue)) < WARM:
        return False
    lightest = green >= np.percentile(green, LIGHTEST)
    r, g, b = (float(band[lightest].mean()) for band in (red, green, blue))
    return r > 0 and g <= ORANGE * r and b <= ORANGE * g and r > 0.3 * np.iinfo(samples.dtype).max


class Shades:
    """Watches strips go by until a third shade turns up."""

    def __init__(self) -> None:
        self._values: set[int] = set()
        self._more = False

    def see(self, pixels: Samples) -> None:
        """pixels: [rows, width, bands] uint8/uint16; alpha (bands 2 or 4) does not count."""
        if self._more:
            return
        colours = pixels[:, :, : 1 if pixels.shape[2] <= 2 else 3]
        for sample in (colours[:1], colours):  # most photographs show three shades in their first row
            self._values.update(np.unique(sample).tolist())
            if len(self._values) > 2:
                self._more = True
                return

    def remarks(self) -> list[str]:
        """Notes, once all strips were seen."""
        return [TWO_SHADES] if len(self._values) == 2 and not self._more else []

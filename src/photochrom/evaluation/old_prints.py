"""Evaluation on simulated old prints: the input is aged, the colours are compared with the original's as usual."""

from __future__ import annotations

import zlib

import numpy as np
import torch
from numpy.typing import NDArray

from ..training.crops import ageing
from ..training.lab_torch import lightness_to_grey
from .photographs import Photograph
from .systems import System


class OldPrint:
    """Another system that is given each photograph as a faded orthochromatic print (training/crops/ageing.py: TYPICAL).

    The last photograph's colours are kept: saturations share them.
    """

    def __init__(self, system: System) -> None:
        self.name = f"{system.name}, old prints"
        self.kind = system.kind
        self.note = f"{system.note}, given the photographs as faded orthochromatic prints"
        self.fingerprint = f"{system.fingerprint} of prints {ageing.VERSION} {ageing.TYPICAL}"
        self.system = system
        self._last: tuple[Photograph, NDArray[np.float32]] | None = None

    def ab(self, photograph: Photograph) -> NDArray[np.float32]:
        if self._last is None or self._last[0] is not photograph:
            self._last = (photograph, self.system.ab(old_print(photograph)))
        return self._last[1]


def old_print(photograph: Photograph) -> Photograph:
    """The photograph as a faded orthochromatic print, grey; always the same one."""
    random = np.random.default_rng(zlib.crc32(photograph.name.encode()))
    rgb = torch.from_numpy(np.moveaxis(photograph.rgb, -1, 0).copy())[None]
    lightness = ageing.aged(rgb, [ageing.TYPICAL], [random])
    codes = (255 * lightness_to_grey(lightness)[0, 0]).round().byte().numpy()
    return Photograph(photograph.name, np.repeat(codes[..., None], 3, axis=2))

"""The interface of an evaluated system: anything that predicts a photograph's colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from .. import plain_areas
from ..errors import SettingError
from ..photo.reading import NETWORK_KERNEL, resampled_lightness
from .photographs import Photograph

if TYPE_CHECKING:
    from ..colorizer import Colorizer


class System(Protocol):
    """Gives colours to a photograph."""

    name: str
    kind: str  # "model" or "baseline"
    note: str  # what a reader of the report must know, e.g. on what it was fitted
    fingerprint: str  # changes with whatever its colours depend on, beside the photograph

    def ab(self, photograph: Photograph) -> NDArray[np.float32]:
        """Colours [H, W, 2], CIE ab, at the photograph's size."""
        ...


class ModelSystem:
    """A network at one temperature (`colorizer`, `temperature`; None: the model's own).

    The last photograph's colours are kept: saturations share them.
    """

    def __init__(self, name: str, colorizer: Colorizer, temperature: float | None = None) -> None:
        info = colorizer.info
        self.name = name if temperature is None else f"{name} T={temperature:g}"
        self.note = f"{info.name} {info.version}, sha256 {info.sha256[:8]}, input {info.native_size}, temperature "
        used = info.temperature if temperature is None else temperature
        self.note += f"{used:g}"
        self.kind = "model"
        self.fingerprint = f"{info.sha256} {used!r} {NETWORK_KERNEL} plain areas {plain_areas.VERSION}"
        self.colorizer = colorizer
        self.temperature = temperature
        self._last: tuple[Photograph, NDArray[np.float32]] | None = None

    def ab(self, photograph: Photograph) -> NDArray[np.float32]:
        if self._last is None or self._last[0] is not photograph:
            self._last = (photograph, self._predict(photograph.rgb))
        return self._last[1]

    def _predict(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        height, width = rgb.shape[:2]
        rows, cols = self.colorizer.network_size(height, width)
        colours = self.colorizer.ab_map(resampled_lightness(rgb, rows, cols), self.temperature)
        return upsample(np.moveaxis(colours.ab, 0, -1), height, width, *colours.cells)


class Saturated:
    """Another system with its chroma scaled."""

    def __init__(self, system: System, saturation: float) -> None:
        if not (np.isfinite(saturation) and saturation >= 0):
            raise SettingError(f"saturation is {saturation}; expected a finite number, 0 or above")
        self.name = f"{system.name} S={saturation:g}"
        self.kind = system.kind
        self.note = system.note
        self.fingerprint = f"{system.fingerprint} times {saturation!r}"
        self.system = system
        self.saturation = np.float32(saturation)

    def ab(self, photograph: Photograph) -> NDArray[np.float32]:
        return self.system.ab(photograph) * self.saturation


def upsample(field: NDArray[np.float32], height: int, width: int, rows: float, cols: float) -> NDArray[np.float32]:
    """A map [h, w, C] bilinearly at [height, width], half-pixel centres; the photograph covers rows x cols cells."""
    top, bottom, down = _neighbours(height, rows, field.shape[0])
    left, right, along = _neighbours(width, cols, field.shape[1])
    tall = field[top] + (field[bottom] - field[top]) * down[:, None, None]
    return tall[:, left] + (tall[:, right] - tall[:, left]) * along[:, None]


def _neighbours(
    size: int, cells: float, available: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    position = np.clip((np.arange(size) + 0.5) * cells / size - 0.5, 0, available - 1)
    first = position.astype(np.int64)
    second = np.minimum(first + 1, available - 1)
    return first, second, (position - first).astype(np.float32)

"""What is evaluated: anything that gives a photograph colours."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import pyvips
from numpy.typing import NDArray

from ..errors import SettingError
from .photographs import Photograph


class System(Protocol):
    """Gives colours to a photograph."""

    name: str
    note: str  # what a reader of the report must know, e.g. on what it was fitted

    def ab(self, photograph: Photograph) -> NDArray[np.float32]:
        """Colours [H, W, 2], CIE ab, at the photograph's size."""
        ...


class Predictor(Protocol):
    """The part of photochrom.colorizer.Colorizer that an evaluation needs."""

    def predict_ab(self, lightness: NDArray[np.float32], temperature: float | None = None) -> NDArray[np.float32]: ...


class ModelSystem:
    """A network at one temperature. The last photograph's colours are kept: saturations share them."""

    def __init__(
        self, name: str, predictor: Predictor, stride: int, native_size: int, temperature: float | None = None
    ) -> None:
        self.name = name if temperature is None else f"{name} T={temperature:g}"
        self.note = f"input {native_size}"
        self._predictor = predictor
        self._stride = stride
        self._native_size = native_size
        self._temperature = temperature
        self._last: tuple[Photograph, NDArray[np.float32]] | None = None

    def ab(self, photograph: Photograph) -> NDArray[np.float32]:
        if self._last is None or self._last[0] is not photograph:
            self._last = (photograph, self._predict(photograph.lightness))
        return self._last[1]

    def _predict(self, lightness: NDArray[np.float32]) -> NDArray[np.float32]:
        height, width = lightness.shape
        scale = self._native_size / min(height, width)
        rows, cols = max(1, round(height * scale)), max(1, round(width * scale))
        small = shrink(lightness, rows, cols)
        ab = self._predictor.predict_ab(small, self._temperature)
        return upsample(np.moveaxis(ab, 0, -1), height, width, rows / self._stride, cols / self._stride)


class Saturated:
    """Another system with its chroma scaled."""

    def __init__(self, system: System, saturation: float) -> None:
        if not (np.isfinite(saturation) and saturation >= 0):
            raise SettingError(f"saturation is {saturation}; expected a finite number, 0 or above")
        self.name = f"{system.name} S={saturation:g}"
        self.note = system.note
        self._system = system
        self._saturation = np.float32(saturation)

    def ab(self, photograph: Photograph) -> NDArray[np.float32]:
        return self._system.ab(photograph) * self._saturation


def shrink(lightness: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """L [H, W] at [height, width], antialiased where smaller; unchanged at its own size."""
    if lightness.shape == (height, width):
        return np.ascontiguousarray(lightness)
    image = pyvips.Image.new_from_array(np.ascontiguousarray(lightness))
    scaled = image.resize(width / image.width, vscale=height / image.height, kernel="linear")
    return np.clip(scaled.numpy(), 0, 100)


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


def load_system(model: str, name: str, temperature: float | None = None, threads: int | None = None) -> ModelSystem:
    """A model by name or file, as a system called `name`. Raises ModelError."""
    from .. import models

    info = models.read_info(models.find_model(model))
    predictor = _OnnxPredictor(info.path, info.temperature, threads)
    return ModelSystem(name, predictor, info.stride, info.native_size, temperature)


class _OnnxPredictor:
    def __init__(self, path, default, threads) -> None:
        import onnxruntime as ort

        options = ort.SessionOptions()
        if threads:
            options.intra_op_num_threads = threads
        self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._default = default

    def predict_ab(self, lightness, temperature=None):
        h, w = lightness.shape
        padded = np.pad(lightness, ((0, -h % 32), (0, -w % 32)), mode="reflect")
        t = np.array([temperature or self._default], np.float32)
        (ab,) = self._session.run(["ab"], {"lightness": padded[None, None].astype(np.float32), "temperature": t})
        s = padded.shape[0] // ab.shape[2]
        return ab[0, :, : -(-h // s), : -(-w // s)]

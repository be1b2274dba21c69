"""Predictor: lightness in, colours out at the network's resolution. One ONNX Runtime session, shared by threads."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .ab_bins import CENTRES, Q
from .contrast import widened
from .errors import ModelError, SettingError
from .forks import check_process
from .models import SIDE_MULTIPLE, ModelInfo, open_session
from .options import Decode, checked_decode, checked_temperature

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

MODE_TEMPERATURE = 1e-3  # for models without probabilities: so cold that the annealed mean is the mode


class Predictor:
    """What one model predicts. info: what the model says about itself."""

    def __init__(self, session: InferenceSession, info: ModelInfo, threads: int | None = None) -> None:
        self.info = info
        self._session = session
        self._threads = threads
        self._lock = threading.Lock()
        self._distribution: InferenceSession | None = None
        self._process = os.getpid()
        self._file = info.path.absolute()  # now: the working folder may change

    def predict_ab(
        self, lightness: NDArray[np.float32], temperature: float | None = None, decode: Decode = "annealed-mean"
    ) -> NDArray[np.float32]:
        """Colour at the network's resolution, from lightness at the size given.

        lightness: float [H, W], CIE L 0..100. Returns float32 [2, ceil(H / stride), ceil(W / stride)], CIE a and b.
        temperature: of the annealed mean, above 0 (None: the model's own). Raises SettingError.
        """
        temperature = self._temperature(temperature, decode)
        if decode == "mode" and self.info.has_probabilities:
            most_probable = self.predict_probabilities(lightness).argmax(0)
            return np.ascontiguousarray(CENTRES.astype(np.float32)[most_probable].transpose(2, 0, 1))
        return self._run(self._session, "ab", lightness, temperature)

    def predict_probabilities(self, lightness: NDArray[np.float32]) -> NDArray[np.float32]:
        """The distribution over the 313 bins at temperature 1, at the network's resolution.

        lightness: as in predict_ab. Returns float32 [313, ceil(H / stride), ceil(W / stride)], the bins in the order of
        ab_bins.CENTRES. Raises SettingError, and ModelError for a model without one (see info.has_probabilities).
        """
        if not self.info.has_probabilities:
            raise ModelError(f"{self.info.path}: gives no distribution; expected a model with probabilities")
        return self._run(self._distribution_session(), "probabilities", lightness, temperature=1.0)

    def _run(
        self, session: InferenceSession, output: str, lightness: NDArray[np.float32], temperature: float
    ) -> NDArray[np.float32]:
        """One output [channels, h, w] of the graph, without what belongs to the padding."""
        check_process(self._process)
        values = np.asarray(lightness, dtype=np.float32)
        if values.ndim != 2 or values.size == 0:
            raise SettingError(f"lightness has shape {values.shape}; expected [H, W] of at least 1 x 1")
        if not (values.min() >= -0.5 and values.max() <= 100.5):  # NaN too
            found = f"{values.min():g}..{values.max():g}"
            raise SettingError(f"lightness has values {found}; expected CIE L, 0..100")
        values = widened(values, self.info.least_range)
        height, width = values.shape
        padding = [(0, -side % SIDE_MULTIPLE) for side in (height, width)]
        padded = np.pad(values, padding, mode="symmetric")[None, None]
        feeds = {"lightness": padded, "temperature": np.array([temperature], np.float32)}
        result: NDArray[np.float32] = session.run([output], feeds)[0][0]
        stride = self.info.stride
        expected = (2 if output == "ab" else Q, padded.shape[2] // stride, padded.shape[3] // stride)
        if result.shape != expected:
            raise ModelError(
                f"{self.info.path}: gives {output} of shape {result.shape}; expected {expected} by its stride"
            )
        return np.ascontiguousarray(result[:, : -(-height // stride), : -(-width // stride)])

    def _distribution_session(self) -> InferenceSession:
        """The model again, computing its probabilities: opened when first asked for, since few ask."""
        with self._lock:
            if self._distribution is None:
                session, info = open_session(self.info.path, self._threads, output="probabilities")
                if info.sha256 != self.info.sha256:
                    raise ModelError(f"{info.path}: has changed since it was loaded; expected the same file")
                self._distribution = session
            return self._distribution

    def _temperature(self, temperature: float | None, decode: Decode) -> float:
        """The temperature to run the graph at; SettingError for one that is not a finite number above 0."""
        checked_decode(decode)
        checked_temperature(temperature)
        if decode == "mean":
            return 1.0
        if decode == "mode":
            return MODE_TEMPERATURE
        return self.info.temperature if temperature is None else float(temperature)

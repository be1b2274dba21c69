"""The interface of an ImageNet classifier: class probabilities, and the features before them for the Frechet
distance."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

BATCH = 4  # batch size: larger ones are slower on CPUs, because their activations do not fit the cache


class Classified(NamedTuple):
    """A classifier's outputs for N photographs."""

    log_probabilities: NDArray[np.float32]  # [N, classes], natural logarithm
    features: NDArray[np.float32] | None  # [N, D]: the pooled layer before the last; None where it is not given


class Classifier(Protocol):
    """Classifies photographs."""

    name: str
    fingerprint: str  # differs if results may differ, by the weights or the preprocessing
    classes: int

    def classify(self, photographs: list[NDArray[np.uint8]]) -> Classified:
        """Of uint8 sRGB photographs, each [H, W, 3]; they may differ in size."""
        ...

"""What an ImageNet classifier is here: what a photograph shows, and the features before that answer for the Frechet
distance."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

BATCH = 4  # photographs at a time: on CPUs larger ones are slower, for their activations leave the cache


class Classified(NamedTuple):
    """What a classifier made of N photographs."""

    log_probabilities: NDArray[np.float32]  # [N, classes], natural logarithm
    features: NDArray[np.float32] | None  # [N, D]: the pooled layer before the last; None where it is not given


class Classifier(Protocol):
    """Tells what a photograph shows."""

    name: str
    fingerprint: str  # another one wherever results may differ: by the weights or by the preparation
    classes: int

    def classify(self, photographs: list[NDArray[np.uint8]]) -> Classified:
        """Of uint8 sRGB photographs, each [H, W, 3]; they may differ in size."""
        ...

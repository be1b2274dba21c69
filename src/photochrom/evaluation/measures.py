"""The measures of an evaluation, each as rows of numbers: colour, classification, the machine judge's features."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from . import colour
from .baselines import Truth
from .block_store import digest
from .judges import semantic
from .judges.semantic import merged
from .measuring import Seen
from .rows import Row
from .systems import System

if TYPE_CHECKING:
    from .judges.classifier import Classifier
    from .judges.machine_features import JudgeFeatures


UNKNOWN: Row = {"log_probability": 0.0, "rank": 0.0, "known": 0.0}


class ColourMeasure:
    """Errors in the ab plane, PSNR, SSIM, colourfulness. weights: [313], of the rebalanced AuC."""

    name = "colour"
    view: Literal["crop", "whole"] = "crop"
    pooled: tuple[str, ...] = colour.POOLED

    def __init__(self, weights: colour.Floats) -> None:
        self.key: list[object] = [colour.VERSION, digest(weights.tolist())]
        self._weights = weights

    def wants(self, name: str) -> bool:
        return True

    def rows(self, system: System, seen: Sequence[Seen]) -> list[Row]:
        return [colour.colour_row(photograph, ab, self._weights) for _, photograph, ab in seen]


class SemanticMeasure:
    """A classifier's results on the labelled photographs; with features of all, for the Frechet distance."""

    name = "classification"
    view: Literal["crop", "whole"] = "whole"
    pooled: tuple[str, ...] = ()

    def __init__(self, classifier: Classifier, labels: Mapping[str, int], features: bool) -> None:
        """labels: {a photograph's name: class}. features: also those of photographs without a label."""
        self.key: list[object] = [semantic.VERSION, classifier.fingerprint, digest(dict(labels)), features]
        self._classifier = classifier
        self._labels = labels
        self._features = features

    def wants(self, name: str) -> bool:
        return self._features or name in self._labels

    def rows(self, system: System, seen: Sequence[Seen]) -> list[Row]:
        # Truth is the original itself, not processed.
        shown = [p.rgb if isinstance(system, Truth) else merged(p, ab) for _, p, ab in seen]
        answer = self._classifier.classify(shown)
        rows = []
        for i, (source, _, _) in enumerate(seen):
            label = self._labels.get(source.name)
            row = dict(UNKNOWN) if label is None else semantic.semantic_row(answer.log_probabilities[i], label)
            if self._features and answer.features is not None:
                row["features"] = answer.features[i].astype(np.float32)
            rows.append(row)
        return rows


class JudgeMeasure:
    """The machine judge's features of the central square. The original is merged like the others, so that they differ
    only in colour."""

    name = "judge"
    view: Literal["crop", "whole"] = "crop"
    pooled: tuple[str, ...] = ()

    def __init__(self, features: JudgeFeatures, judged: Iterable[str]) -> None:
        """judged: names of the photographs to look at."""
        self._judged = frozenset(judged)
        self.key: list[object] = [features.fingerprint, digest(sorted(self._judged))]
        self._features = features

    def wants(self, name: str) -> bool:
        return name in self._judged

    def rows(self, system: System, seen: Sequence[Seen]) -> list[Row]:
        found = self._features.of([merged(photograph, ab) for _, photograph, ab in seen])
        return [{"features": each.astype(np.float32)} for each in found]

"""Models compared photograph by photograph: gain@1, and cross-entropy, which has a lower variance.

    python benchmarks/compared.py --data PHOTOGRAPHS --half even [--old] [--json FILE] MODEL[@SIZE][+MODEL...] ...

The cross-entropy is the paper's loss (soft codes of 5 bins; once with its class weights, lambda 1/2, once without), in
nats, at 192 places of every photograph; the prior is that of the photographs. Models joined by + are averaged: the
geometric mean of what they say. SIZE: the short side of what a model sees [default: its own]. All are compared with the
first: differences with 95% intervals over photographs. --old: the models see the photographs as old prints.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from photochrom import ab_bins
from photochrom.colorizer import Colorizer, load
from photochrom.evaluation import bootstrap
from photochrom.evaluation.colour import SIDE, ColourTally, rebalancing
from photochrom.evaluation.old_prints import old_print
from photochrom.evaluation.photographs import Photograph, list_photographs, read_crop, take_half
from photochrom.evaluation.systems import upsample
from photochrom.models import usable_cores
from photochrom.photo.reading import resampled_lightness

CELL = 4  # pixels: the side of a cell, whose mean colour is the truth
CELLS = SIDE // CELL
PLACES = 192  # cells of a photograph that count
LEAST = 1e-9  # of a probability: its logarithm must be one

Probabilities = NDArray[np.float32]  # [CELLS, CELLS, 313]


class Ensemble:
    """Models that are asked together."""

    def __init__(self, text: str, threads: int) -> None:
        self.parts: list[Colorizer] = []
        for part in text.split("+"):
            model, _, size = part.partition("@")
            colorizer = load(model, threads=threads)
            if size:
                colorizer.info = dataclasses.replace(colorizer.info, native_size=int(size))
            self.parts.append(colorizer)

    def probabilities(self, photograph: Photograph) -> Probabilities:
        logarithms = sum(np.log(np.maximum(self._of(part, photograph), LEAST)) for part in self.parts)
        together = np.exp(logarithms / len(self.parts))
        return together / together.sum(-1, keepdims=True)

    @staticmethod
    def _of(part: Colorizer, photograph: Photograph) -> Probabilities:
        rows, cols = part.network_size(*photograph.rgb.shape[:2])
        found = part.predict_probabilities(resampled_lightness(photograph.rgb, rows, cols))
        stride = part.info.stride
        return upsample(np.moveaxis(found, 0, -1), CELLS, CELLS, rows / stride, cols / stride)


@dataclasses.dataclass
class Truth:
    """What is true at some cells of a photograph: their indices, and the soft codes of their mean colours."""

    cells: NDArray[np.int64]
    code: ab_bins.SoftCode

    @classmethod
    def of(cls, photograph: Photograph) -> Truth:
        means = photograph.ab.reshape(CELLS, CELL, CELLS, CELL, 2).mean((1, 3)).reshape(-1, 2)
        random = np.random.default_rng(zlib.crc32(photograph.name.encode()))
        cells = random.choice(len(means), PLACES, replace=False)
        return cls(cells, ab_bins.soft_encode(means[cells]))

    def cross_entropy(self, probabilities: Probabilities) -> NDArray[np.float64]:
        """Of each cell, in nats."""
        there = probabilities.reshape(-1, ab_bins.Q)[self.cells]
        said = np.take_along_axis(there, self.code.bins, 1)
        return -(self.code.weights * np.log(np.maximum(said, LEAST))).sum(1)


class Score:
    """Of one ensemble: the sums of each photograph, and the tally of its colours."""

    def __init__(self, ensemble: Ensemble, photographs: list[Photograph], old: bool) -> None:
        truths = [Truth.of(photograph) for photograph in photographs]
        prior = np.mean([ab_bins.dense(truth.code).mean(0) for truth in truths], 0)
        by_bin = ab_bins.class_weights(prior)
        sums, colours = [], []
        for photograph, truth in zip(photographs, truths, strict=True):
            found = ensemble.probabilities(old_print(photograph) if old else photograph)
            weights = by_bin[truth.code.bins[:, 0]]
            each = truth.cross_entropy(found)
            sums.append([(weights * each).sum(), weights.sum(), each.mean()])
            ab = (found @ ab_bins.CENTRES).astype(np.float32)
            colours.append(upsample(ab, SIDE, SIDE, CELLS, CELLS))
        self.sums = np.array(sums)
        self.chroma = float(np.mean([np.hypot(*np.moveaxis(ab, -1, 0)).mean() for ab in colours]))
        self.tally = ColourTally.of(zip(photographs, colours, strict=True), rebalancing(photographs))

    def report(self, first: Score) -> dict[str, Any]:
        scores = self.tally.scores()
        found = {
            **self._cross_entropies(None),
            **{name: getattr(scores, name) for name in ("gain_at_1", "auc", "colourfulness")},
        }
        difference = {**self._cross_entropies(first), **self.tally.minus(first.tally)}
        return {
            **{name: dataclasses.asdict(value) for name, value in found.items()},
            "chroma": self.chroma,
            "difference": {name: dataclasses.asdict(difference[name]) for name in found},
        }

    def _cross_entropies(self, first: Score | None) -> dict[str, Any]:
        """The pooled ones, or how they differ from the first's."""

        def figures(counts: NDArray[np.float64]) -> NDArray[np.float64]:
            mine = counts @ self.sums - (counts @ first.sums if first else 0)
            return np.column_stack([mine[:, 0] / (counts @ self.sums)[:, 1], mine[:, 2] / counts.sum(1)])

        return bootstrap.intervals(figures, ("rebalanced_cross_entropy", "cross_entropy"), len(self.sums))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--half", default="even", help="even: to choose by")
    parser.add_argument("--old", action="store_true")
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    photographs = [read_crop(path, SIDE) for path in take_half(list_photographs(options.data), options.half)]
    scores: dict[str, Score] = {}
    report: dict[str, Any] = {"half": options.half, "photographs": len(photographs), "old_prints": options.old}
    for model in options.model:
        scores[model] = Score(Ensemble(model, options.threads), photographs, options.old)
        found = scores[model].report(scores[options.model[0]])
        report.setdefault("models", {})["+".join(Path(part).name for part in model.split("+"))] = found
        print(model)
        for name in ("rebalanced_cross_entropy", "cross_entropy", "gain_at_1", "auc", "colourfulness"):
            value, other = found[name]["value"], found["difference"][name]
            print(f"  {name}: {value:.3f}; difference {other['value']:.3f} [{other['low']:.3f}, {other['high']:.3f}]")
        print(f"  chroma: {found['chroma']:.1f}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()

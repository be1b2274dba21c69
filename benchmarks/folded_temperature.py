"""How often the import finds out whether a temperature is folded into a network: the bundled model as the known case.

    python benchmarks/folded_temperature.py --data FOLDER [--sets 20] [--json FILE]

lite's T is 1 by its making. On random sets of 16 photographs of FOLDER, T is fitted to its logits as they are and times
2.606, and the decisions are counted; beside it, the decision by the plain fit alone.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from photochrom.evaluation.photographs import list_photographs, read_crop
from photochrom.foreign.temperature import FOLDED, MOST, SIDE, measure
from photochrom.models import open_session


class Logits(torch.nn.Module):
    """The bundled model's, times a factor."""

    stride = 4

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor
        self.session = open_session("lite", output="probabilities")[0]

    def forward(self, lightness: torch.Tensor) -> torch.Tensor:
        feeds = {"lightness": lightness.numpy(), "temperature": np.float32([1])}
        (probabilities,) = self.session.run(["probabilities"], feeds)
        return self.factor * torch.from_numpy(probabilities).clamp(min=1e-12).log()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="colour photographs")
    parser.add_argument("--sets", type=int, default=20)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    paths = list_photographs(options.data)
    result = {}
    for factor in (1.0, FOLDED):
        network = Logits(factor)
        found = []
        for seed in range(options.sets):
            chosen = random.Random(seed).sample(paths, min(MOST, len(paths)))
            found.append(measure(network, [read_crop(path, SIDE) for path in chosen]))
        plain, rebalanced = ([getattr(m, fit).temperature for m in found] for fit in ("plain", "rebalanced"))
        result[f"logits x {factor:g}"] = {
            "decisions": dict(Counter(m.decision for m in found)),
            "by the plain fit alone": dict(Counter(str(m.plain.candidate) for m in found)),
            "T, plain": [min(plain), float(np.median(plain)), max(plain)],
            "T, rebalanced": [min(rebalanced), float(np.median(rebalanced)), max(rebalanced)],
        }
    print(json.dumps(result, indent=2))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

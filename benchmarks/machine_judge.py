"""Validation of the machine judge: does it recognise random colours, and does it ignore everything but colour?

    python benchmarks/machine_judge.py --data PHOTOGRAPHS [--half even] [--model lite ...] [--json FILE]

Its error in % on: `random` (under 10 expected, or it is not to be trusted), `truth` (50 by definition), the true
colours at the resolution of 40 x 40 and 24 x 24 cells (near 50 expected: nothing is wrong with them but their
resolution; what is missing to 50 is a clue that is not colour), `grey`, each model, and each model with half its
chroma. The features were chosen on the even half of a set; report on the odd one.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pyvips
import torch
from numpy.typing import NDArray

from photochrom.colorizer import load
from photochrom.evaluation import photographs
from photochrom.evaluation.baselines import make_baseline
from photochrom.evaluation.colour import SIDE
from photochrom.evaluation.judges.machine import judge, trustworthy
from photochrom.evaluation.judges.machine_features import BATCH, JudgeFeatures
from photochrom.evaluation.judges.semantic import merged
from photochrom.evaluation.results import JudgeScores
from photochrom.evaluation.systems import ModelSystem, Saturated, System, upsample

RESOLUTIONS = (40, 24)  # cells a side: what networks at 160 and 96 pixels with stride 4 can give


class CoarseTruth:
    """The photograph's own colours, at the resolution of a network."""

    note = ""

    def __init__(self, cells: int) -> None:
        self.name = f"truth, {cells} x {cells} cells"
        self._cells = cells

    def ab(self, photograph: photographs.Photograph) -> NDArray[np.float32]:
        image = pyvips.Image.new_from_array(np.ascontiguousarray(photograph.ab))
        coarse = image.resize(self._cells / SIDE, kernel="linear").numpy()
        return upsample(coarse, SIDE, SIDE, self._cells, self._cells)


def features_of(system: System, paths: list[Path], features: JudgeFeatures) -> NDArray[np.float32]:
    found = []
    for start in range(0, len(paths), BATCH):
        batch = [photographs.read_crop(path, SIDE) for path in paths[start : start + BATCH]]
        found.append(features.of([merged(photograph, system.ab(photograph)) for photograph in batch]))
    return np.concatenate(found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--half", choices=photographs.HALVES, default="even")
    parser.add_argument("--limit", type=int, help="at most so many photographs, evenly spread")
    parser.add_argument("--model", action="append", help="name or ONNX file; may be repeated [lite]")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    everything = photographs.list_photographs(options.data)
    paths = photographs.spread(photographs.take_half(everything, options.half), options.limit)
    even = photographs.take_half(everything, "even")
    systems: list[System] = [make_baseline(name, even, options.seed) for name in ("truth", "random", "grey")]
    systems += [CoarseTruth(cells) for cells in RESOLUTIONS]
    for name in options.model or ["lite"]:
        model = ModelSystem(Path(name).stem, load(name, threads=options.threads))
        systems += [model, Saturated(model, 0.5)]

    features = JudgeFeatures(options.threads)
    real = features_of(systems[0], paths, features)
    scores: dict[str, JudgeScores] = {}
    print(f"{len(paths)} photographs, half: {options.half}; error in %, 50 = it cannot tell")
    for system in systems:
        coloured = real if system is systems[0] else features_of(system, paths, features)
        scores[system.name] = judge(real, coloured, seed=options.seed)
        error = scores[system.name].error
        print(f"  {system.name:<24} {error.value:5.1f}  [{error.low:.1f}, {error.high:.1f}]", flush=True)
    trusted = trustworthy(scores["random"])
    print("to be trusted" if trusted else "NOT reliable: it does not recognise random colours")
    if options.json:
        errors = {
            name: {"error": round(s.error.value, 2), "interval": [round(s.error.low, 2), round(s.error.high, 2)]}
            for name, s in scores.items()
        }
        result = {"photographs": len(paths), "half": options.half, "seed": options.seed, "systems": errors}
        options.json.write_text(json.dumps(result | {"trustworthy": trusted}, indent=2) + "\n")
    return 0 if trusted else 1


if __name__ == "__main__":
    raise SystemExit(main())

"""How much a model depends on the finest detail of the lightness: its colours after a slight blur and a little noise.

    python benchmarks/fine_detail.py --data PHOTOGRAPHS --half even [--shards SHARDS] [--json FILE] MODEL ...

A blur of half a pixel, which is invisible, should have almost no effect. If it changes the chroma or gain@1, the model
has overfitted to how its training photographs were downsampled. --shards: also measured on up to 400
photographs of the training set that were held out, at their own size: a gain there but not on PHOTOGRAPHS does not
generalise.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from photochrom.color import lab_to_rgb
from photochrom.colorizer import load
from photochrom.data.photograph import centre_crop, decode
from photochrom.data.sources import find_photos
from photochrom.evaluation.colour import SIDE, ColourTally, rebalancing
from photochrom.evaluation.photographs import Photograph, list_photographs, read_crop, spread, take_half
from photochrom.evaluation.systems import ModelSystem

HELD_OUT = 400
Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]
CHANGES: dict[str, Change] = {
    "none": lambda lightness, random: lightness,
    "blur 0.5": lambda lightness, random: gaussian_filter(lightness, 0.5),
    "blur 0.8": lambda lightness, random: gaussian_filter(lightness, 0.8),
    "noise 1": lambda lightness, random: lightness + random.normal(0, 1, lightness.shape),
    "noise 2": lambda lightness, random: lightness + random.normal(0, 2, lightness.shape),
}
"""Standard deviations, in the photograph's pixels and in L."""


def held_out(shards: str) -> list[Photograph]:
    """Central squares of photographs that training never saw, at their own size."""
    found = []
    for entry in spread(list(find_photos(shards).split()[1]), HELD_OUT):
        image = decode(entry)
        found.append(Photograph(entry.key, centre_crop(image, min(image.size)).transpose(1, 2, 0)))
    return found


def changed(photograph: Photograph, change: Change) -> Photograph:
    """Grey, with its lightness changed."""
    lightness = change(photograph.lightness, np.random.default_rng(0))
    lab = np.zeros((*lightness.shape, 3), np.float32)
    lab[..., 0] = lightness.clip(0, 100)
    return Photograph(photograph.name, np.round(255 * lab_to_rgb(lab)).astype(np.uint8))


def mean_chroma(colours: list[np.ndarray]) -> float:
    return float(np.mean([np.hypot(*np.moveaxis(ab, -1, 0)).mean() for ab in colours]))


def measured(model: str, photographs: list[Photograph], threads: int) -> dict[str, dict[str, Any]]:
    system = ModelSystem(model, load(model, threads=threads))
    weights = rebalancing(photographs)
    found = {}
    for name, change in CHANGES.items():
        colours = [system.ab(changed(photograph, change)) for photograph in photographs]
        scores = ColourTally.of(zip(photographs, colours, strict=True), weights).scores()
        chroma = mean_chroma(colours)
        found[name] = {"gain_at_1": asdict(scores.gain_at_1), "auc": asdict(scores.auc), "chroma": chroma}
        print(f"  {name}: gain@1 {scores.gain_at_1.value:.1f}, chroma {chroma:.1f}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--half", default="even", help="even: to choose by")
    parser.add_argument("--shards", help="training photographs")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    paths = take_half(list_photographs(options.data), options.half)
    sets = {f"{options.data.name}, {options.half} half": [read_crop(path, SIDE) for path in paths]}
    if options.shards:
        sets["held out of the training set"] = held_out(options.shards)
    report: dict[str, Any] = {}
    for model in options.model:
        for name, photographs in sets.items():
            chroma = mean_chroma([photograph.ab for photograph in photographs])
            print(f"{model}, {name}: {len(photographs)} photographs, true chroma {chroma:.1f}", flush=True)
            found = {"photographs": len(photographs), "true_chroma": chroma}
            report.setdefault(Path(model).stem, {})[name] = found | measured(model, photographs, options.threads)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Score against milliseconds of each model at each input size: the Pareto front, as a plot and figures.

    python benchmarks/frontier.py --data PHOTOGRAPHS --half even [--native 96 ...] [-o docs/measured] MODEL ...

Each model at each size of its input is a candidate. Its score is gain@1, its time that of the network, decode included,
on a square photograph at that size: the median of 50 calls that take turns with the other candidates'. Run nothing
else meanwhile. A line joins the Pareto-optimal candidates.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from photochrom.colorizer import Colorizer, load
from photochrom.evaluation.baselines import Grey
from photochrom.evaluation.colour import SIDE, ColourTally, rebalancing
from photochrom.evaluation.photographs import list_photographs, read_crop, take_half
from photochrom.evaluation.report.plot_style import png
from photochrom.evaluation.runtime import interleaved, machine
from photochrom.evaluation.systems import ModelSystem
from photochrom.models import usable_cores
from photochrom.photo.reading import resampled_lightness

SIZES = (96, 128, 160, 192, 256)
RUNS = 50


def candidates(models: list[str], sizes: list[int], threads: int) -> dict[str, Colorizer]:
    found = {}
    for model in models:
        for size in sizes:
            colorizer = load(model, threads=threads)
            colorizer.info = dataclasses.replace(colorizer.info, native_size=size)
            found[f"{Path(model).stem} at {size}"] = colorizer
    return found


def score(colorizers: dict[str, Colorizer], data: Path, half: str) -> dict[str, dict[str, Any]]:
    """gain@1 and AuC, with intervals."""
    paths = take_half(list_photographs(data), half)
    weights = rebalancing(read_crop(path, SIDE) for path in paths)
    systems = {"grey": Grey(), **{name: ModelSystem(name, each) for name, each in colorizers.items()}}
    found = {}
    for name, system in systems.items():
        scores = ColourTally.of(
            ((p, system.ab(p)) for p in (read_crop(path, SIDE) for path in paths)), weights
        ).scores()
        found[name] = {key: dataclasses.asdict(getattr(scores, key)) for key in ("gain_at_1", "auc", "rebalanced_auc")}
        print(f"{name}: gain@1 {found[name]['gain_at_1']['value']:.2f}", flush=True)
    return found


def time(colorizers: dict[str, Colorizer]) -> dict[str, float]:
    """Milliseconds of the network on a square photograph."""
    grey = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 1), dtype=np.uint8)
    calls = {}
    for name, colorizer in colorizers.items():
        lightness = resampled_lightness(grey, *colorizer.network_size(SIDE, SIDE))
        calls[name] = lambda colorizer=colorizer, lightness=lightness: colorizer.predict_ab(lightness)
    return {name: 1000 * median for name, (median, *_) in interleaved(calls, RUNS).items()}


def best(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The Pareto-optimal ones, from the fastest to the slowest."""
    front: list[dict[str, Any]] = []
    for point in sorted(points, key=lambda p: p["milliseconds"]):
        if not front or point["gain_at_1"]["value"] > front[-1]["gain_at_1"]["value"]:
            front.append(point)
    return front


def plot(points: list[dict[str, Any]], title: str) -> bytes:
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

    figure = Figure((7, 4.6), layout="constrained")
    axes = figure.subplots()
    for model in dict.fromkeys(point["model"] for point in points):
        some = [point for point in points if point["model"] == model]
        gains = np.array([[p["gain_at_1"][key] for key in ("value", "low", "high")] for p in some]).T
        times = [p["milliseconds"] for p in some]
        axes.errorbar(
            times, gains[0], [gains[0] - gains[1], gains[2] - gains[0]], fmt="o", label=model, capsize=2, lw=0.7
        )
        for p in some:
            place = (p["milliseconds"], p["gain_at_1"]["value"])
            axes.annotate(str(p["size"]), place, (5, 4), textcoords="offset points", fontsize=8)
    front = best(points)
    axes.plot([p["milliseconds"] for p in front], [p["gain_at_1"]["value"] for p in front], color="0.6", zorder=0)
    axes.set_xlabel("milliseconds of the network, by the short side of its input in pixels")
    axes.set_ylabel("gain@1, points")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_title(title, fontsize=10)
    axes.legend(frameon=False, fontsize=8)
    axes.grid(color="#e6e6e6", linewidth=0.8)
    return png(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--half", default="even", help="even: to choose by")
    parser.add_argument("--native", type=int, action="append", help=f"sizes [default: {SIZES}]")
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/measured"))
    options = parser.parse_args()
    colorizers = candidates(options.model, options.native or list(SIZES), options.threads)
    times = time(colorizers)
    scores = score(colorizers, options.data, options.half)
    points = [
        {
            "name": name,
            "model": name.rpartition(" at ")[0],
            "size": each.info.native_size,
            "bytes": each.info.bytes,
            "sha256": each.info.sha256,
            "milliseconds": times[name],
            **scores[name],
        }
        for name, each in colorizers.items()
    ]
    title = f"{options.data.resolve().name}, {options.half} half; {options.threads} threads"
    report = {"machine": machine(), "half": options.half, "threads": options.threads, "candidates": points}
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "frontier.json").write_text(json.dumps(report, indent=1) + "\n")
    (options.output / "frontier.png").write_bytes(plot(points, title))


if __name__ == "__main__":
    main()

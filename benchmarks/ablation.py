"""The paper's systems at equal budget: trains all of small/ on the same photographs in the same order, scores them.

    python benchmarks/ablation.py --data SHARDS --val PHOTOGRAPHS [--half odd] [-o runs/ablation] [--write PAGE.md]

Resumable: a system whose run is complete is not trained again, one that was interrupted goes on. Each system is the
recipe small/NAME without any change but for l2-ft, which starts from the weights of full. Scores at 256 x 256 on the
half asked for (chosen on none: there is nothing to choose), networks at 96 pixels, annealed mean at T = 0.38.
Differences with 95% intervals by a paired bootstrap over photographs; where one includes zero the order is undecided.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shlex
import sys
from pathlib import Path
from typing import Any

from photochrom.colorizer import load
from photochrom.evaluation.baselines import Grey
from photochrom.evaluation.colour import SIDE, ColourTally, rebalancing
from photochrom.evaluation.photographs import list_photographs, read_crop, take_half
from photochrom.evaluation.results import Interval
from photochrom.evaluation.systems import ModelSystem
from photochrom.training.export import Card, export, export_weights
from small_runs import trained

SYSTEMS = ("full", "class", "l2", "l2-ft", "larsson", "dahl", "lite")
NATIVE_SIZE = 96
# (figure, the system that the paper's theory puts above, the one below)
EXPECTED = (
    ("rebalanced_auc", "full", "class"),
    ("rebalanced_auc", "full", "l2"),
    ("colourfulness", "full", "class"),
    ("colourfulness", "full", "l2"),
    ("auc", "class", "full"),
    ("auc", "l2", "full"),
)
LABELS = {"auc": "AuC", "rebalanced_auc": "rebalanced AuC", "gain_at_1": "gain@1", "colourfulness": "colourfulness"}


def run(name: str, data: str, folder: Path, settings: list[str]) -> dict[str, Any]:
    """The finished run of small/`name`; see small_runs.trained."""
    if name == "l2-ft":
        weights = folder / "full.safetensors"
        export_weights(folder / "full", weights, overwrite=True)
        settings = [*settings, f"network.weights={weights}"]
    return trained(name, data, folder / name, settings)


def tallies(models: dict[str, Path], val: Path, half: str) -> dict[str, ColourTally]:
    paths = take_half(list_photographs(val), half)
    weights = rebalancing(read_crop(path, SIDE) for path in paths)
    systems = {"grey": Grey(), **{name: ModelSystem(name, load(path)) for name, path in models.items()}}
    return {
        name: ColourTally.of(((p, system.ab(p)) for p in (read_crop(path, SIDE) for path in paths)), weights)
        for name, system in systems.items()
    }


def verdict(difference: Interval) -> str:
    if difference.low > 0:
        return "as in the paper"
    return "reversed" if difference.high < 0 else "undecided"


def shown(interval: dict[str, float] | Interval) -> str:
    values = interval if isinstance(interval, dict) else dataclasses.asdict(interval)
    return f"{values['value']:.2f} [{values['low']:.2f}, {values['high']:.2f}]"


def page(report: dict[str, Any]) -> str:
    """docs/ablation.md, all of it from the report."""
    budget = next(iter(report["runs"].values()))
    lines = [
        "# The paper's systems at equal budget",
        "",
        f"Written by `{report['command']}`. Each system is the recipe `small/NAME`, trained on the same photographs in "
        f"the same order: {budget['steps']} steps of {budget['batch']} crops of {budget['size']} pixels; scored on "
        f"{report['photographs']} photographs ({report['half']} half) that no training saw. Figures with 95% intervals "
        "over photographs. `lite` is not part of the comparison: its encoder starts from ImageNet's labels, the others "
        "from nothing.",
        "",
        "| system | parameters | AuC | rebalanced AuC | gain@1 | colourfulness |",
        "|---|---|---|---|---|---|",
    ]
    for name, scores in report["scores"].items():
        parameters = f"{report['runs'][name]['parameters'] / 1e6:.2f} M" if name in report["runs"] else ""
        columns = (shown(scores[key]) for key in LABELS)
        lines.append(f"| {name} | {parameters} | {' | '.join(columns)} |")
    lines += ["", "| expected | difference | verdict |", "|---|---|---|"]
    for row in report["comparisons"]:
        expected = f"{LABELS[row['figure']]}: {row['above']} above {row['below']}"
        lines.append(f"| {expected} | {shown(row['difference'])} | {row['verdict']} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--val", type=Path, required=True)
    parser.add_argument("--half", default="odd")
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/ablation"))
    parser.add_argument("--json", type=Path, help="write the report here")
    parser.add_argument("--write", type=Path, help="write the page here")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="for a trial: change all recipes"
    )
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    runs, models = {}, {}
    for name in SYSTEMS:
        print(f"{name}:", file=sys.stderr, flush=True)
        runs[name] = run(name, options.data, options.output, options.set)
        models[name] = options.output / f"{name}.onnx"
        export(options.output / name, models[name], Card(name, "small", NATIVE_SIZE), overwrite=True)
    found = tallies(models, options.val, options.half)
    comparisons = []
    for figure, above, below in EXPECTED:
        difference = found[above].minus(found[below])[figure]
        row = {"figure": figure, "above": above, "below": below, "difference": dataclasses.asdict(difference)}
        comparisons.append({**row, "verdict": verdict(difference)})
    scores = {name: dataclasses.asdict(tally.scores()) for name, tally in found.items()}
    report = {
        "command": "make ablation DATA=... VAL=..." + (f" ({shlex.join(options.set)})" if options.set else ""),
        "half": options.half,
        "photographs": scores["grey"]["photographs"],
        "runs": runs,
        "scores": scores,
        "comparisons": comparisons,
    }
    print(page(report))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    if options.write:
        options.write.write_text(page(report))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

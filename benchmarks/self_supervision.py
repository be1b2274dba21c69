"""Colourisation features: small/full, small/class and small/alexnet are trained to colour, without labels, and linear
classifiers on their frozen features are measured against those on the same networks untrained (figure 7 of the paper).

    python benchmarks/self_supervision.py --data SHARDS [-o runs/features] [--write docs/self-supervision.md]

SHARDS has keys SOURCE-CLASS-NUMBER; see SETS for the classes that are probed. Resumable: complete runs, and networks
whose figures are kept, are not computed again. Chosen on no test photograph: the rate, and what had been tried before,
was judged by the loss and by how many channels never fire (docs/features.md).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from small_runs import trained

SYSTEMS = ("full", "class", "alexnet")
# Changes of small/: 1,000 steps teach too little, and at their rate of 1e-3 half of conv3's channels in eccv16 die.
TRAINING = (
    "training.visits=256000",
    "training.precision=bf16-mixed",
    "training.validate_every=2000",
    "optimizer.lr=3e-4",
    "optimizer.encoder_lr=3e-4",
    "schedule.warmup=300",
)
BASELINES = ("gaussian", "kmeans", "supervised")


@dataclass(frozen=True)
class Set:
    """Photographs that are probed. only: pattern of their keys; least: photographs of a class; size: pixels of the
    networks' input, here always that of their training; supervised_size: of the supervised reference's."""

    title: str
    only: str
    least: int
    size: int
    supervised_size: int


SETS = {
    "probe-200": Set("200 classes, photographs of 64 pixels", "^tiny-", 50, 64, 64),
    "probe-10": Set("Imagenette's 10 classes, photographs of 128 pixels", "^imagenette160-", 50, 64, 128),
    "probe-101": Set("Caltech-101's classes, photographs of 128 pixels", "^caltech101-(?!x-|BACKGROUND)", 30, 64, 128),
}
# Table of the paper, figure 7: top-1 (%) on ImageNet's 1,000 classes; 1.3 million photographs, AlexNet.
PAPER = {
    "colourisation": (12.5, 24.5, 30.4, 31.5, 30.3),
    "Gaussian initialisation": (11.6, 17.1, 16.9, 16.3, 14.1),
}


def probe(name: str, data: str, runs: list[Path], folder: Path, options: list[str]) -> dict[str, Any]:
    """probe.json of one of SETS, by `photochrom probe` as a user would type it."""
    chosen = SETS[name]
    command = [str(Path(sys.executable).with_name("photochrom")), "probe", *map(str, runs), "--data", data]
    command += ["--only", chosen.only, "--least", str(chosen.least), "--size", str(chosen.size)]
    command += ["--supervised-size", str(chosen.supervised_size), "--overwrite", "-o", str(folder / name), *options]
    for baseline in BASELINES:
        command += ["--baseline", baseline]
    print(f"{name}:", file=sys.stderr, flush=True)
    code = subprocess.run(command, check=False).returncode
    if code:
        raise SystemExit(code)
    return json.loads((folder / name / "probe.json").read_text())


def cell(interval: dict[str, float], sign: str = "") -> str:
    return f"{interval['value']:{sign}.1f} [{interval['low']:{sign}.1f}, {interval['high']:{sign}.1f}]"


def tables(report: dict[str, Any]) -> list[str]:
    """Markdown: top-1 of each network by stage, and its gain over Gaussian; a table for each set of stages."""
    lines = []
    for stages in dict.fromkeys(tuple(system["stages"]) for system in report["systems"]):
        systems = [system for system in report["systems"] if tuple(system["stages"]) == stages]
        lines += ["", f"| top-1, % | {' | '.join(stages)} |", "|---" * (len(stages) + 1) + "|"]
        for system in systems:
            cells = (cell(found["top_1"]) for found in system["stages"].values())
            lines.append(f"| {system['name']} | {' | '.join(cells)} |")
        for system in systems:
            if all("gaussian" in found["over"] for found in system["stages"].values()):
                cells = (cell(found["over"]["gaussian"], "+") for found in system["stages"].values())
                lines.append(f"| *{system['name']} over gaussian* | {' | '.join(cells)} |")
    return lines


def page(data: str, runs: dict[str, dict[str, Any]], reports: dict[str, dict[str, Any]], measured: str) -> str:
    """docs/self-supervision.md, all of it from the reports."""
    budget = next(iter(runs.values()))
    lines = [
        "# Features of three small colourisation networks",
        "",
        f"Written by `make features DATA={data}`. `small/full`, `small/class` and `small/alexnet`, a quarter as "
        f"wide as the paper's, learnt to colour for {budget['steps']:,} steps of {budget['batch']} crops of "
        f"{budget['size']} pixels each, from the k-means initialisation, without any label (changes of the recipes: "
        f"{', '.join(f'`{setting}`' for setting in TRAINING)}). Then linear classifiers were trained on their frozen "
        "features ([the protocol](features.md#the-protocol)). 95% intervals over test photographs; *over gaussian*: "
        "the gain in points over the same network with Gaussian weights, paired. One run of each: how much another run "
        "would differ is not measured.",
        "",
        "The photographs that the classifiers learn from and are tested on were among those that the networks coloured "
        "in training, without their labels. `supervised`: EfficientNet-lite0 as trained on ImageNet's labels, given "
        "lightness alone, at the photographs' own size; so small an input is far from its best, and many of these "
        "photographs are ImageNet's.",
    ]
    for name, report in reports.items():
        lines += [
            "",
            f"## {SETS[name].title}",
            "",
            f"{report['classes']} classes, {report['training_photographs']:,} photographs to train on, "
            f"{report['test_photographs']:,} to test on; chance {report['chance']:.1f}%. "
            f"[Figures]({measured}/{name}/probe.csv).",
            "",
            f"![Top-1 by stage]({measured}/{name}/probe.png)",
            *tables(report),
        ]
    lines += [
        "",
        "## The paper's",
        "",
        "Top-1 on ImageNet's 1,000 classes, 1.3 million photographs, AlexNet at full width: another task, so only the "
        "course over the stages can be compared.",
        "",
        "| top-1, % | conv1 | conv2 | conv3 | conv4 | conv5 |",
        "|---|---|---|---|---|---|",
        *(f"| {name} | {' | '.join(map(str, row))} |" for name, row in PAPER.items()),
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/features"))
    parser.add_argument("--measured", type=Path, default=Path("docs/measured"), help="folder for the reports")
    parser.add_argument("--write", type=Path, help="write the page here")
    parser.add_argument("probing", nargs="*", metavar="OPTION", help="after --: further options of photochrom probe")
    options = parser.parse_args()
    runs = {}
    for name in SYSTEMS:
        print(f"{name}:", file=sys.stderr, flush=True)
        runs[name] = trained(name, options.data, options.output / name, TRAINING)
    folders = [options.output / name for name in SYSTEMS]
    reports = {name: probe(name, options.data, folders, options.measured, options.probing) for name in SETS}
    # As a link from the page, which lies in the measured folder's parent.
    text = page("...", runs, reports, options.measured.name)
    print(text)
    if options.write:
        options.write.write_text(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

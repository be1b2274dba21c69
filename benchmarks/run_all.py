"""All measurements of docs/benchmarks.md and docs/real-time.md: run each, keep its JSON, write the pages from it.

    python benchmarks/run_all.py [-o docs/measured] [--only network] [--pages-only]

Takes some ten minutes; leave the machine alone meanwhile. The pages hold no figure that does not stand in the JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
DOCS = PROJECT / "docs"
MEASUREMENTS = {
    "network": ["-m", "photochrom", "bench", "--size", "160", "--size", "192", "--size", "256", "--size", "512"],
    "photograph": ["benchmarks/photograph.py", "--runs", "7", "--huge"],
    "install": ["benchmarks/install_size.py"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=DOCS / "measured")
    parser.add_argument("--only", choices=MEASUREMENTS, action="append")
    parser.add_argument("--pages-only", action="store_true", help="write the pages from the JSON that is there")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    if not options.pages_only:
        for name in options.only or MEASUREMENTS:
            command = [sys.executable, *MEASUREMENTS[name], "--json", str(options.output / f"{name}.json")]
            subprocess.run(command, cwd=PROJECT, check=name != "install")
    found = {name: json.loads((options.output / f"{name}.json").read_text()) for name in MEASUREMENTS}
    (DOCS / "benchmarks.md").write_text(benchmarks_page(**found))
    (DOCS / "real-time.md").write_text(real_time_page(found["network"]))


def timing(network: dict[str, Any], what: str, size: int | None = None, threads: int | None = None) -> float:
    """Seconds of the one timing that fits."""
    (found,) = (
        t["seconds"]
        for t in network["timings"]
        if t["what"] == what and size in (None, t["size"]) and threads in (None, t["threads"])
    )
    return found


def network_rows(network: dict[str, Any]) -> list[str]:
    rows = []
    for t in network["timings"]:
        if t["threads"] is None or t["what"] not in (network["model"]["name"], "ECCV16"):
            continue
        paper = timing(network, "ECCV16", 256, t["threads"])
        ratio = f"{paper / t['seconds']:.1f}" if t["size"] in (256, network["model"]["native_size"]) else ""
        name = "ECCV16 (PyTorch, no decode)" if t["what"] == "ECCV16" else f"{t['what']} (decode included)"
        rows.append(
            f"| {name} | {t['size']} x {t['size']} | {t['threads']} | {t['seconds'] * 1e3:.1f} "
            f"| {1 / t['seconds']:.0f} | {ratio} |"
        )
    return rows


def photograph_rows(photograph: dict[str, Any], kind: str) -> list[str]:
    found = photograph[kind]
    rows = [
        f"| {kind} | {name} | {found['seconds'][name]:.2f} | {found['peak_mb'][name]:.0f} |"
        for name in ("photochrom", "libvips", "opencv")
    ]
    return rows


def benchmarks_page(network: dict[str, Any], photograph: dict[str, Any], install: dict[str, Any]) -> str:
    machine = network["machine"]
    cores = machine["cores"]
    start = timing(network, "process: colorize")
    version = timing(network, "process: --version") - timing(network, "process: python -c pass")
    grey, rgb = photograph["grey"], photograph["rgb"]
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench` (`benchmarks/run_all.py`) from `docs/measured/*.json`; figures are medians, and what",
        "is compared takes turns in the same run. Seconds are of this machine; ratios are more portable.",
        "",
        f"{machine['processor']}, {cores} cores; model {network['model']['name']} {network['model']['version']}.",
        "",
        "## The network",
        "",
        "| network | pixels | threads | ms | per second | ECCV16 at 256 x 256 takes times as long |",
        "|---|---|---|---|---|---|",
        *network_rows(network),
        "",
        f"{network['model']['name']} is shown every photograph at {network['model']['native_size']} pixels, its "
        "native size: that is what it takes",
        "for a photograph of 256 x 256, at the scores below.",
        "The paper's network took 22.1 ms on a GPU of its day.",
        "",
        "## A 24-megapixel JPEG, file to file",
        "",
        "| photograph | | seconds | peak MB |",
        "|---|---|---|---|",
        *photograph_rows(photograph, "grey"),
        *photograph_rows(photograph, "rgb"),
        "",
        "libvips: decode and encode alone, the floor. opencv: decode, float Lab, merge of a given ab, encode, without",
        "a network. All write quality 92, 4:2:0.",
        "",
        f"- grey: {grey['times_the_floor']:.2f} times the floor, {grey['share_of_opencv']:.2f} of OpenCV's time;",
        f"  keeping colours in gamut takes {grey['gamut_share_of_merge']:.0%} of the merge.",
        f"- RGB: {rgb['times_the_floor']:.2f} times the floor, {rgb['share_of_opencv']:.2f} of OpenCV's time;",
        f"  keeping colours in gamut takes {rgb['gamut_share_of_merge']:.0%} of the merge.",
        "",
        "The aims were at most 4 times the floor and a quarter of OpenCV.",
        "",
        "## A 200-megapixel 16-bit TIFF",
        "",
        f"{photograph['huge']['value']:.1f} s, peak {photograph['huge']['peak_mb']:.0f} MB.",
        "",
        "## Start and size",
        "",
        f"- `photochrom colorize` of a 512-pixel photograph, process start to exit: {start:.2f} s.",
        f"- `photochrom --version`: {version:.3f} s more than `python -c pass`.",
        f"- `pip install photochrom` without extras, all dependencies: {install['installed_mb']:.0f} MB, "
        f"{'with' if install['torch'] else 'without'} PyTorch; "
        f"{'colours' if install['coloured_offline'] else 'does not colour'} offline.",
        "",
        *quality_section(),
    ]
    return "\n".join(lines)


def quality_section() -> list[str]:
    """The tables of `make evaluate` and the figures of benchmarks/lightness_kept.py, as they were last written."""
    report = (DOCS / "measured" / "val-odd" / "report.md").read_text().splitlines()
    kept = json.loads((DOCS / "measured" / "lightness.json").read_text())
    table: list[str] = []
    for line in report:
        if line.startswith("| system"):
            table.append("")
        if line.startswith("|"):
            table.append(line)
    return [
        "## Colours",
        "",
        "From [val-odd/report.md](measured/val-odd/report.md) (`make evaluate`), where the columns are explained.",
        "The small systems of [the ablation](ablation.md), and version 2 of `lite`, on the same photographs:",
        "[val-odd-2/report.md](measured/val-odd-2/report.md).",
        *table,
        "",
        f"Lightness (`benchmarks/lightness_kept.py`, {kept['photographs']} photographs): within 1 of the original's in "
        f"{kept['share_within_1']['worst']:.1%}",
        f"of the pixels of the worst photograph; {kept['share_outside_srgb']['mean']:.1%} of the pixels have a colour "
        "that sRGB cannot show",
        f"({kept['share_outside_srgb']['most']:.0%} in the worst), and give up chroma.",
        "",
    ]


def real_time_page(network: dict[str, Any]) -> str:
    name, cores = network["model"]["name"], network["machine"]["cores"]
    rows = [
        f"| {t['size']} x {t['size']} | {t['threads']} | {t['seconds'] * 1e3:.1f} | {1 / t['seconds']:.0f} |"
        for t in network["timings"]
        if t["what"] == name and t["threads"] is not None
    ]
    native = network["model"]["native_size"]
    best, usual = (timing(network, name, size, cores) for size in (256, native))
    paper = timing(network, "ECCV16", 256, cores)
    verdict = "Yes" if 1 / best >= 25 else "Not quite"
    photo = timing(network, "photograph")
    lines = [
        "# Is that real time?",
        "",
        f"{verdict}: {1 / best:.0f} frames a second at 256 x 256, the paper's size, on {cores} CPU cores without a GPU",
        f"({best * 1e3:.1f} ms a frame, decode of the 313 colours included). Film runs at 24, video at 25 to 60.",
        f"Shown the photograph at {native} x {native} instead, as `colorize` does, and as its scores are measured, it "
        f"takes {usual * 1e3:.1f} ms.",
        f"The paper's own network manages {1 / paper:.1f} on the same cores, {paper / best:.0f} and "
        f"{paper / usual:.0f} times slower;",
        "on a GPU of 2016 it took 22.1 ms.",
        "",
        "| pixels | threads | ms | frames a second |",
        "|---|---|---|---|",
        *rows,
        "",
        f"That is the network alone. A whole 512-pixel photograph, from file to file, takes {photo * 1e3:.0f} ms:",
        "it includes decoding, merging the colours with the full-resolution lightness, and encoding. That is",
        f"{1 / photo:.0f} a second.",
        "",
        "Measured by `photochrom bench`; see [benchmarks](benchmarks.md).",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()

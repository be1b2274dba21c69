"""A 24-megapixel JPEG in colour: photochrom beside libvips alone (the floor) and a straightforward OpenCV pipeline.

    python benchmarks/photograph.py [--model lite] [--runs 5] [--huge] [--json FILE]

Each run is a process of its own; the contenders take turns. Timed: from the file on the disk to the file on the disk,
after imports and loading of the model; the network is included in photochrom's time and left out of OpenCV's. All
write the same quality (92) and chroma subsampling (4:2:0). Memory is the process' peak resident set (VmHWM).
Targets: at most 4 times the floor, at most a quarter of OpenCV, at most 300 MB; with --huge a 200-megapixel 16-bit
TIFF in at most 500 MB.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

QUALITY = 92
WIDTH, HEIGHT = 6000, 4000
HUGE_WIDTH, HUGE_HEIGHT = 16_000, 12_500
GRAIN = 4  # standard deviation in 8-bit codes: what a scanned print has
CONTENDERS = ("photochrom", "libvips", "opencv")


def make_photographs(folder: Path, huge: bool) -> None:
    """Grey and RGB JPEGs, and the huge TIFF: scikit-learn's china.jpg enlarged, with grain."""
    import pyvips
    from sklearn.datasets import load_sample_image

    def enlarged(width: int, height: int) -> pyvips.Image:
        small = pyvips.Image.new_from_array(load_sample_image("china.jpg"))
        big = small.resize(width / small.width, vscale=height / small.height, kernel="cubic")
        return big + pyvips.Image.gaussnoise(width, height, sigma=GRAIN, mean=0, seed=1)

    photo = enlarged(WIDTH, HEIGHT).cast("uchar").copy(interpretation="srgb")
    photo.jpegsave(str(folder / "rgb.jpg"), Q=QUALITY, subsample_mode="on")
    photo.colourspace("b-w").jpegsave(str(folder / "grey.jpg"), Q=QUALITY)
    if huge:
        deep = (enlarged(HUGE_WIDTH, HUGE_HEIGHT) * 257).cast("ushort").copy(interpretation="rgb16")
        deep.tiffsave(str(folder / "huge.tif"))


def run_photochrom(source: Path, target: Path, model: str) -> float:
    import photochrom

    colorizer = photochrom.load(model)
    started = time.perf_counter()
    colorizer.colorize_file(source, target, quality=QUALITY)
    return time.perf_counter() - started


def run_libvips(source: Path, target: Path, model: str) -> float:
    import pyvips

    started = time.perf_counter()
    image = pyvips.Image.jpegload(str(source), access="sequential")
    if image.bands == 1:
        image = image.colourspace("srgb")  # what is written has colour
    image.jpegsave(str(target), Q=QUALITY, subsample_mode="on")
    return time.perf_counter() - started


def run_opencv(source: Path, target: Path, model: str) -> float:
    import cv2
    import numpy as np

    ab = np.random.default_rng(0).normal(0, 20, (64, 96, 2)).astype(np.float32)
    started = time.perf_counter()
    image = cv2.imread(str(source), cv2.IMREAD_COLOR)
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_BGR2Lab)
    lab[..., 1:] = cv2.resize(ab, (lab.shape[1], lab.shape[0]), interpolation=cv2.INTER_LINEAR)
    coloured = (cv2.cvtColor(lab, cv2.COLOR_Lab2BGR).clip(0, 1) * 255).round().astype(np.uint8)
    sampling = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420]
    cv2.imwrite(str(target), coloured, [cv2.IMWRITE_JPEG_QUALITY, QUALITY, *sampling])
    return time.perf_counter() - started


def run_gamut(source: Path, target: Path, model: str) -> float:
    """The share of the merge's own time that keeping colours in gamut takes, decoding and encoding left out."""
    import photochrom
    from photochrom.merge import PageMerger
    from photochrom.photo.reading import open_photo
    from photochrom.photo.strips import strips_of

    class Clipping(PageMerger):
        def _keep_in_gamut(self, y: Any, linear: Any, high: Any, low: Any) -> None:
            linear += y

    colorizer = photochrom.load(model)
    photo = open_photo(source)
    size = colorizer.network_size(photo.height, photo.width)
    colours = colorizer.ab_map(photo.lightness(0, *size))
    strips = list(strips_of(photo.pixels(), photo.height, photo.name))
    seconds = {PageMerger: [], Clipping: []}
    for _ in range(5):
        for kind, times in seconds.items():
            merger = kind(colours, photo.height, photo.width, photo.pages[0].bits)
            started = time.perf_counter()
            for top, pixels in strips:
                merger.merge(top, pixels)
            times.append(time.perf_counter() - started)
    return 1 - min(seconds[Clipping]) / min(seconds[PageMerger])


RUNNERS = {"photochrom": run_photochrom, "libvips": run_libvips, "opencv": run_opencv, "gamut": run_gamut}


def measure_here(contender: str, source: Path, target: Path, model: str) -> dict[str, float]:
    """In this process: the runner's figure and the peak of memory in MB."""
    value = RUNNERS[contender](source, target, model)
    status = Path("/proc/self/status").read_text()
    peak = next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))
    return {"value": value, "peak_mb": peak}


def measure(contender: str, source: Path, model: str) -> dict[str, float]:
    """The same in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "out" + source.suffix)
        command = [sys.executable, __file__, "--child", contender, str(source), str(target), "--model", model]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{contender} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def compare(source: Path, model: str, runs: int) -> dict[str, Any]:
    """Medians of `runs` interleaved runs, and the ratios that count."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
    for _ in range(runs):
        for name in CONTENDERS:
            found[name].append(measure(name, source, model))
    seconds = {name: statistics.median(run["value"] for run in runs_) for name, runs_ in found.items()}
    return {
        "seconds": seconds,
        "peak_mb": {name: max(run["peak_mb"] for run in runs_) for name, runs_ in found.items()},
        "times_the_floor": seconds["photochrom"] / seconds["libvips"],
        "share_of_opencv": seconds["photochrom"] / seconds["opencv"],
        "gamut_share_of_merge": measure("gamut", source, model)["value"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="lite", help="a bundled model's name or an ONNX file")
    parser.add_argument("--runs", type=int, default=5, help="interleaved runs of each contender")
    parser.add_argument("--huge", action="store_true", help="also the 200-megapixel 16-bit TIFF (3 GB of disk)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--child", nargs=3, metavar=("CONTENDER", "SOURCE", "TARGET"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        contender, source, target = options.child
        print(json.dumps(measure_here(contender, Path(source), Path(target), options.model)))
        return
    report: dict[str, Any] = {"cores": len(os.sched_getaffinity(0)), "runs": options.runs, "model": options.model}
    with tempfile.TemporaryDirectory() as folder:
        make_photographs(Path(folder), options.huge)
        for kind in ("grey", "rgb"):
            result = report[kind] = compare(Path(folder, f"{kind}.jpg"), options.model, options.runs)
            print(f"{WIDTH * HEIGHT / 1e6:.0f}-megapixel {kind} JPEG")
            for name in CONTENDERS:
                print(f"  {name:12} {result['seconds'][name]:6.2f} s {result['peak_mb'][name]:6.0f} MB")
            print(f"  {result['times_the_floor']:.2f} times the floor (at most 4)")
            print(f"  {result['share_of_opencv']:.2f} of OpenCV (at most 0.25)")
            print(f"  keeping colours in gamut: {result['gamut_share_of_merge']:.0%} of the merge")
        if options.huge:
            result = report["huge"] = measure("photochrom", Path(folder, "huge.tif"), options.model)
            megapixels = HUGE_WIDTH * HUGE_HEIGHT / 1e6
            print(f"{megapixels:.0f}-megapixel 16-bit TIFF: {result['value']:.1f} s {result['peak_mb']:.0f} MB (500)")
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()

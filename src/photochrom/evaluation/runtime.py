"""Runtimes on this machine, each next to a reference in the same run.

Times on a shared machine drift by tens of percent within minutes; ratios of calls that take turns do not. So every
function here measures its calls interleaved, and reports medians.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..models import open_session, usable_cores

Key = TypeVar("Key", bound=Hashable)

PAPER = "ECCV16"
PAPER_SIZE = 256  # pixels; at which the paper quotes 22.1 ms on a GPU
PHOTO_SIZE = 512  # pixels
_BRIEF = 0.1  # seconds
_REST = 0.05  # seconds
_SLOW_RUNS = 9  # of calls that take longer than _BRIEF


@dataclass(frozen=True)
class Timing:
    """A median of `runs` calls, in seconds. size: side in pixels; threads: cores it may use; None: not applicable."""

    what: str
    seconds: float
    runs: int
    size: int | None = None
    threads: int | None = None


def interleaved(calls: Mapping[Key, Callable[[], object]], runs: int) -> dict[Key, tuple[float, int]]:
    """The median seconds of each call and how often it was made: they take turns, so that a machine whose speed drifts
    is as fast for one as for the other. Slow calls are made once a turn, at most _SLOW_RUNS times; brief ones in
    bursts, `runs` times or a few more, after a rest and untimed calls: the threads of the one before spin on.
    """
    brief: set[Key] = set()
    for key, call in calls.items():
        call()
        if _seconds(call) < _BRIEF:
            brief.add(key)
    turns = min(runs, _SLOW_RUNS)
    seconds: dict[Key, list[float]] = {key: [] for key in calls}
    for _ in range(turns):
        for key, call in calls.items():
            if key in brief:
                time.sleep(_REST)
                call()
                call()
            seconds[key] += [_seconds(call) for _ in range(-(-runs // turns) if key in brief else 1)]
    return {key: (statistics.median(values), len(values)) for key, values in seconds.items()}


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def time_network(model: Path, sizes: Sequence[int], threads: int, runs: int) -> list[Timing]:
    """Of the model in ONNX Runtime, its decode included, at each size; and of ECCV16 in PyTorch at PAPER_SIZE, without
    its decode, if PyTorch is installed. Both on so many threads. Sizes are multiples of 32, in pixels."""
    session, info = open_session(model, threads)
    temperature = np.array([info.temperature], np.float32)

    def model_call(size: int) -> Callable[[], object]:
        feeds = {"lightness": _lightness(size), "temperature": temperature}
        return lambda: session.run(["ab"], feeds)

    calls: dict[tuple[str, int], Callable[[], object]] = {(info.name, size): model_call(size) for size in sizes}
    if has_torch():
        calls[PAPER, PAPER_SIZE] = _eccv16_call(threads)
    medians = interleaved(calls, runs)
    return [Timing(name, *median, size, threads) for (name, size), median in medians.items()]


def has_torch() -> bool:
    return importlib.util.find_spec("torch") is not None


def _lightness(size: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 100, (1, 1, size, size)).astype(np.float32)


def _eccv16_call(threads: int) -> Callable[[], object]:
    import torch

    from ..nets.eccv16 import ECCV16

    network = ECCV16().eval()
    lightness = torch.from_numpy(_lightness(PAPER_SIZE))

    def call() -> None:
        torch.set_num_threads(threads)
        with torch.inference_mode():
            network(lightness)

    return call


def time_photograph(model: Path, runs: int) -> list[Timing]:
    """Of colouring a PHOTO_SIZE JPEG, file to file, with the model loaded; and of libvips' decode and encode alone."""
    import pyvips

    from ..colorizer import load

    colorizer = load(model)
    with tempfile.TemporaryDirectory() as folder:
        photo, coloured, copy = (Path(folder, name) for name in ("photo.jpg", "coloured.jpg", "copy.jpg"))
        write_photograph(photo)

        def vips_alone() -> None:
            pyvips.Image.new_from_file(str(photo), access="sequential").colourspace("srgb").jpegsave(str(copy), Q=92)

        calls = {
            "photograph": lambda: colorizer.colorize_file(photo, coloured, overwrite=True),
            "libvips alone": vips_alone,
        }
        medians = interleaved(calls, runs)
    return [Timing(name, *median, PHOTO_SIZE, usable_cores()) for name, median in medians.items()]


def time_start(model: Path, runs: int) -> list[Timing]:
    """Process start to exit: of colouring one PHOTO_SIZE JPEG, of `--version`, and of `python -c pass`."""
    program = [sys.executable, "-m", "photochrom"]
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder, "photo.jpg")
        write_photograph(photo)
        colorize = ["colorize", str(photo), "--model", str(model), "--overwrite", "--quiet"]
        commands = {
            "process: colorize": [*program, *colorize],
            "process: --version": [*program, "--version"],
            "process: python -c pass": [sys.executable, "-c", "pass"],
        }

        def process(command: list[str]) -> Callable[[], object]:
            return lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

        medians = interleaved({name: process(command) for name, command in commands.items()}, runs)
    return [Timing(name, *median, PHOTO_SIZE if "colorize" in name else None) for name, median in medians.items()]


def write_photograph(path: Path) -> None:
    """A grey JPEG of PHOTO_SIZE with soft shapes and grain: it costs what a photograph of that size costs."""
    import pyvips

    shapes = pyvips.Image.perlin(PHOTO_SIZE, PHOTO_SIZE, cell_size=96, seed=1) * 100 + 128
    grain = pyvips.Image.gaussnoise(PHOTO_SIZE, PHOTO_SIZE, sigma=6, mean=0, seed=1)
    (shapes + grain).cast("uchar").copy(interpretation="b-w").jpegsave(str(path), Q=92)


def machine() -> dict[str, Any]:
    """Where the times were taken: processor, cores this process may use, versions."""
    from importlib.metadata import PackageNotFoundError, version

    versions = {"python": platform.python_version()}
    for package in ("onnxruntime", "pyvips", "torch"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {"processor": _processor(), "cores": usable_cores(), "load": round(os.getloadavg()[0], 2), **versions}


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()

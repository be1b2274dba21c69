"""Throughput of the data pipeline, in photographs per second, compared with that of the training step.

    python benchmarks/data_rate.py --data SHARDS [--recipe lite] [--set KEY=VALUE] [--json FILE]

The data path: reading, decoding, checking, cropping, and the way from the worker processes, with the recipe's own
settings and nothing else to do. The step: the recipe's network, forward and backward, on batches that are in memory.
Both take turns in one run, so that the ratio holds on a busy machine too. Exits 1 where the ratio is below 3.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from torch.utils.data import DataLoader

from photochrom import ab_bins
from photochrom.training.batches import CropSettings, Positions, TrainingPhotos, find_photos
from photochrom.training.recipe import Recipe, load_recipe
from photochrom.training.run import Numbered
from photochrom.training.task import ColorizationTask

AT_LEAST = 3.0
WARM_UP = 3  # batches or steps of each round that are not counted


class Clock(lightning.Callback):
    """Seconds of each training step."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_train_batch_start(self, *_: Any) -> None:
        self._began = time.perf_counter()

    def on_train_batch_end(self, *_: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.seconds.append(time.perf_counter() - self._began)


def data_rate(photographs: TrainingPhotos, recipe: Recipe, start: int, batches: int) -> tuple[float, list[Any]]:
    """(photographs a second, the last batches) of `batches` batches from number `start` on, from a new loader."""
    workers, batch = recipe.data.workers, recipe.training.batch
    positions = Positions(start, start + WARM_UP + batches, batch)
    loader = DataLoader(
        Numbered(photographs), batch_sampler=positions, num_workers=workers, prefetch_factor=4 if workers else None
    )
    kept, stream = [], iter(loader)
    for _ in range(WARM_UP):
        kept.append(next(stream))
    # What lies ready is counted too, so it is measured over many batches: `prefetch` of them were made before.
    began = time.perf_counter()
    kept += list(stream)
    return batches * batch / (time.perf_counter() - began), kept[-WARM_UP:]


def step_rate(recipe: Recipe, batches: list[Any], steps: int) -> float:
    """Photographs a second of the training step, by the median of its seconds."""
    task = ColorizationTask(recipe, np.full(ab_bins.Q, 1 / ab_bins.Q))
    clock = Clock()
    trainer = lightning.Trainer(
        max_steps=steps + WARM_UP,
        callbacks=[clock],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        gradient_clip_val=recipe.optimizer.clip or None,
        precision="bf16-mixed" if torch.cuda.is_available() else "32-true",
        devices=1,
    )
    trainer.fit(task, DataLoader(list(_cycled(batches, steps + WARM_UP)), batch_size=None))
    return recipe.training.batch / statistics.median(clock.seconds[WARM_UP:])


def _cycled(batches: list[Any], count: int) -> Iterator[Any]:
    return (batches[i % len(batches)] for i in range(count))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--recipe", default="lite")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--batches", type=int, default=60, help="of the data path, a round")
    parser.add_argument("--steps", type=int, default=6, help="of the network, a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning.*")  # no validation here, and its own deprecations

    recipe = load_recipe(options.recipe, options.set)
    if recipe.training.threads:
        torch.set_num_threads(recipe.training.threads)
    entries, _ = find_photos(options.data).split()
    crops = CropSettings(recipe.data.size, (recipe.data.least_area, 1.0), recipe.data.mirror)
    photographs = TrainingPhotos(entries, crops, recipe.training.seed)
    data, step = [], []
    for number in range(options.rounds):
        rate, batches = data_rate(photographs, recipe, number * (WARM_UP + options.batches), options.batches)
        data.append(rate)
        step.append(step_rate(recipe, batches, options.steps))
        print(f"round {number + 1}: data path {data[-1]:.0f}, training step {step[-1]:.1f} photographs/s", flush=True)
    result = {
        "recipe": options.recipe,
        "size": recipe.data.size,
        "batch": recipe.training.batch,
        "workers": recipe.data.workers,
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "photographs": len(entries),
        "data_images_per_second": statistics.median(data),
        "step_images_per_second": statistics.median(step),
        "ratio": statistics.median(d / s for d, s in zip(data, step, strict=True)),
    }
    print(f"the data path delivers {result['ratio']:.1f} times what the step takes; at least {AT_LEAST:g} are wanted")
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    return 0 if result["ratio"] >= AT_LEAST else 1


if __name__ == "__main__":
    raise SystemExit(main())

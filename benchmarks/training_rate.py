"""How fast a recipe's training steps are on this machine, without the data path: images/s and peak memory.

    python benchmarks/training_rate.py full [--steps 3] [--batch 40] [--set key=value] [--json FILE]

On a GPU also the share of the card's bf16 peak (--peak-tflops, dense; an H100 SXM has 989), and from images/s the hours
of the whole recipe. Random crops: what they show does not change the time.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from photochrom.ab_bins import Q
from photochrom.training.recipe import load_recipe
from photochrom.training.task import ColorizationTask


class _Alone:
    """What the task asks of its trainer, for one process."""

    world_size = 1
    global_step = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--batch", type=int, help="[default: the recipe's]")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--peak-tflops", type=float, default=989.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    recipe = load_recipe(options.recipe, options.set)
    batch = options.batch or recipe.training.batch
    cuda = torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    task = ColorizationTask(recipe, np.full(Q, 1 / Q)).to(device)
    task._trainer = _Alone()  # type: ignore[assignment]
    task.log = lambda *arguments, **more: None  # type: ignore[assignment, method-assign]
    optimizer = task.configure_optimizers()["optimizer"]
    rgb = torch.randint(0, 256, (batch, 3, recipe.data.size, recipe.data.size), dtype=torch.uint8, device=device)
    positions = torch.arange(batch)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=cuda):
            loss = task.training_step((rgb, positions), 0)
        loss.backward()
        optimizer.step()
        if cuda:
            torch.cuda.synchronize()

    with FlopCounterMode(display=False) as counter:
        step()
    flops = counter.get_total_flops()
    for _ in range(2 if cuda else 0):  # warm-up: kernels are chosen
        step()
    began = time.perf_counter()
    for _ in range(options.steps):
        step()
    seconds = (time.perf_counter() - began) / options.steps
    result: dict[str, Any] = {
        "recipe": options.recipe,
        "settings": options.set,
        "device": torch.cuda.get_device_name() if cuda else f"CPU, {torch.get_num_threads()} threads",
        "torch": torch.__version__,
        "python": platform.python_version(),
        "batch": batch,
        "size": recipe.data.size,
        "steps": options.steps,
        "images_per_second": batch / seconds,
        "gflop_per_image": flops / batch / 1e9,
        "hours_of_the_recipe": recipe.training.visits * seconds / batch / 3600,
    }
    if cuda:
        result["peak_gib"] = torch.cuda.max_memory_allocated() / 2**30
        result["share_of_peak"] = flops / seconds / options.peak_tflops / 1e12
    else:
        result["peak_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps(result, indent=2))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

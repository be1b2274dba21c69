"""Runs of the recipes in small/, each trained once: what is interrupted goes on, what is complete is left alone."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from photochrom.training.export import load_checkpoint
from photochrom.training.recipe import load_recipe
from photochrom.training.run import train


def trained(name: str, data: str, run: Path, settings: Sequence[str] = ()) -> dict[str, Any]:
    """What is known of the complete run of small/`name` in the folder `run`, trained here where it is not: its steps,
    batch, size of crops in pixels, seconds and parameters. settings: changes of the recipe, KEY=VALUE."""
    record = run / "finished.json"
    recipe = load_recipe(f"small/{name}", list(settings))
    if not record.exists():
        began = time.monotonic()
        code = train(recipe, data, run, resume=(run / "last.ckpt").exists())
        if code:
            raise SystemExit(code)
        found = {
            "steps": recipe.steps,
            "batch": recipe.training.batch,
            "size": recipe.data.size,
            "seconds_of_the_last_start": time.monotonic() - began,
            "parameters": sum(p.numel() for p in load_checkpoint(run)[0].parameters()),
        }
        record.write_text(json.dumps(found))
    return json.loads(record.read_text())

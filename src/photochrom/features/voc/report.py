"""The report of a fine-tuning: results.json and results.csv for programs, weights.safetensors to go on with."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import nn

from ...atomic_file import part_file
from ...errors import OutputError

RESULTS, TABLE, WEIGHTS, CHECKPOINT = "results.json", "results.csv", "weights.safetensors", "last.ckpt"


@dataclass(frozen=True)
class Scores:
    """means: over classes, by metric, 0..1; classes: a row each, "class" first."""

    means: dict[str, float]
    classes: list[dict[str, Any]]


@dataclass(frozen=True)
class Results:
    """What was measured and how. left_out: name -> why; losses: every few steps of this process's part."""

    task: str
    scores: Scores
    network: str
    checkpoint: str
    weights: str
    input: str
    tune: str
    stage: str
    rescaled: bool
    data: dict[str, Any]
    settings: dict[str, Any]
    command: str
    seed: int
    device: str
    seconds: float
    left_out: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)


def refuse_finished(folder: Path) -> None:
    """Raise OutputError where a report is already."""
    for name in (RESULTS, TABLE):
        if (folder / name).exists():
            raise OutputError(folder / name, "the report is there already", "choose another folder with -o")


def make_folder(folder: Path) -> None:
    """Raises OutputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(folder, error.strerror or str(error), "expected a folder that can be written") from error


def write_weights(model: nn.Module, folder: Path, about: dict[str, str], overwrite: bool = False) -> None:
    """The fine-tuned network's state dict, with `about` in the file's header. Raises OutputError."""
    state = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    with part_file(folder / WEIGHTS, overwrite=overwrite) as part:
        save_file(state, part, metadata=about)


def write(results: Results, folder: Path) -> None:
    """results.csv and then results.json, whose being there means that all is done. Raises OutputError."""
    with part_file(folder / TABLE) as part:
        part.write_text(as_csv(results), encoding="utf-8")
    with part_file(folder / RESULTS) as part:
        part.write_text(json.dumps(_without_nan(asdict(results)), indent=2, allow_nan=False) + "\n", encoding="utf-8")


def as_csv(results: Results) -> str:
    """A row a class, and one of the means; what is not there is empty."""
    rows = [*results.scores.classes, {"class": "mean", **results.scores.means}]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_without_nan(rows))
    return text.getvalue()


def _without_nan(value: Any) -> Any:
    """JSON has no NaN (the precision of a class that is not there): null."""
    if isinstance(value, dict):
        return {key: _without_nan(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value

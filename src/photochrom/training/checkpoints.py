"""Checkpoint files: written atomically, read with the restricted unpickler, checked against the recipe's network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from ..atomic_file import output_error, part_file
from ..errors import DataError, OutputError, RecipeError
from .recipe import Recipe, recipe_from_dict


class AtomicCheckpoints(TorchCheckpointIO):
    """Writes Lightning's checkpoints to a part file first: when the disk is full, the previous one survives."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part_file(target, overwrite=True) as part:
                torch.save(checkpoint, part)
        except OSError as error:
            raise error if isinstance(error, OutputError) else output_error(target, error) from error
        except RuntimeError as error:  # how torch.save reports a failed write
            raise OutputError(
                target, f"could not be written ({error})", "free disk space and continue with --resume"
            ) from error


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Load a checkpoint of `photochrom train`, given a run's folder or a .ckpt file. Raises DataError."""
    file = path / "last.ckpt" if path.is_dir() else path
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise DataError(f"{file}: not there; expected a run's folder or a checkpoint") from error
    except Exception as error:  # the exception that torch.load raises depends on the damage
        raise DataError(f"{file}: not a checkpoint that can be read safely ({error})") from error
    if not isinstance(content, dict) or "photochrom" not in content:
        raise DataError(f"{file}: not a checkpoint of `photochrom train`")
    return content


def refuse_another(path: Path, recipe: Recipe) -> None:
    """Raises RecipeError if the checkpoint in `path` has another network or loss than the recipe."""
    saved = recipe_from_dict(read_checkpoint(path)["photochrom"]["recipe"], str(path))
    for section, key in (("network", "name"), ("network", "width"), ("loss", "name"), ("training", "batch")):
        found, wanted = (getattr(getattr(r, section), key) for r in (saved, recipe))
        if found != wanted:
            raise RecipeError(
                f"{path}: was trained with {section}.{key} {found!r}; the recipe says {wanted!r}, expected the same"
            )

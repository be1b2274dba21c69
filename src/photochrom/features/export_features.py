"""A trained network's weights, made ready for another task: batch norm absorbed, layers rescaled, in one file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ..atomic_file import part_file, refuse_existing
from ..errors import DataError, ModelError
from ..training.batches import CropSettings, TrainingPhotos, find_photos
from ..training.export import load_checkpoint
from ..training.lab_torch import rgb_to_lab
from ..training.recipe import Recipe, recipe_from_dict
from .absorb import absorb_batchnorm, kept_batchnorms
from .rescale import rescale

PHOTOGRAPHS = 32  # photographs whose crops determine the scales


def export_features(
    checkpoint: Path,
    target: Path,
    *,
    absorb: bool = False,
    photographs: str | Path | None = None,
    half: bool = True,
    overwrite: bool = False,
) -> dict[str, float]:
    """Write the network of `checkpoint` to a .safetensors file, changed so that it still computes the same.

    absorb: batch norm becomes part of the layers (absorb.py). photographs: data as for training; layers are rescaled on
    32 crops of it (rescale.py), after absorbing. half: float16. What was done stands in the file's metadata, as JSON
    under the key "photochrom". Returns layer -> factor, empty without photographs. Raises DataError; ModelError where a
    batch norm cannot be absorbed; OutputError for a target that exists.
    """
    refuse_existing(target, overwrite)
    network, _, trained = load_checkpoint(checkpoint)
    recipe = recipe_from_dict(trained["recipe"], str(checkpoint))
    if absorb:
        network = _absorbed(network, checkpoint)
    factors = {} if photographs is None else rescale(network, crops(photographs, recipe))
    done: dict[str, Any] = {
        "network": recipe.network.name,
        "width": recipe.network.width,
        "step": trained["step"],
        "batch_norm_absorbed": absorb,
        "rescaled_by": factors,
    }
    state = {key: _stored(value, half) for key, value in network.state_dict().items()}
    with part_file(target, overwrite=overwrite) as part:
        save_file(state, part, {"format": "pt", "photochrom": json.dumps(done)})
    return factors


def crops(photographs: str | Path, recipe: Recipe, count: int = PHOTOGRAPHS) -> Tensor:
    """Lightness [count, 1, size, size] (0..100) of photographs, cropped as a recipe's training crops them, the same at
    every call. Raises DataError where there are none."""
    entries, _ = find_photos(photographs).split()
    if not len(entries):
        raise DataError(f"{photographs}: every photograph falls into the validation share; expected more photographs")
    settings = CropSettings(recipe.data.size, (recipe.data.least_area, 1.0), recipe.data.mirror)
    source = TrainingPhotos(entries, settings, recipe.training.seed)
    return rgb_to_lab(torch.stack([source[position] for position in range(count)]))[:, :1]


def _absorbed(network: nn.Module, checkpoint: Path) -> nn.Module:
    if not kept_batchnorms(network):
        raise ModelError(f"{checkpoint}: its {type(network).__name__} has no batch norm; leave --absorb out")
    absorbed = absorb_batchnorm(network)
    if kept := kept_batchnorms(absorbed):
        raise ModelError(
            f"{checkpoint}: {len(kept)} batch norms of its {type(network).__name__} do not follow a layer directly "
            f"({kept[0]} is the first); absorbing them would change what it computes: leave --absorb out"
        )
    return absorbed


def _stored(value: Tensor, half: bool) -> Tensor:
    # channels_last, as networks are trained, is no layout that the file knows.
    return (value.half() if half and value.is_floating_point() else value).contiguous()

"""What the tests of features share: labelled cut-outs of real photographs, and checkpoints of small networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

from photochrom import ab_bins
from photochrom.training.heads import HEADS
from photochrom.training.lab_torch import rgb_to_lab
from photochrom.training.networks import build_network
from photochrom.training.recipe import load_recipe

SUBJECTS = ("astronaut", "coffee", "chelsea", "rocket")
EACH = 24


def cut_outs() -> dict[str, Image.Image]:
    """name -> 48 x 32 cut-outs of scikit-image's photographs, EACH of each."""
    cuts = {}
    for name in SUBJECTS:
        photograph = Image.fromarray(getattr(skimage.data, name)())
        random = np.random.default_rng(0)
        for i in range(EACH):
            left, top = random.integers(0, photograph.width - 192), random.integers(0, photograph.height - 128)
            cuts[f"{name}-{i:02d}"] = photograph.crop((left, top, left + 192, top + 128)).resize((48, 32))
    return cuts


@pytest.fixture(scope="session")
def class_folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CLASS/CLASS-number.png, four classes."""
    folder = tmp_path_factory.mktemp("labelled")
    for name, image in cut_outs().items():
        (folder / name.split("-")[0]).mkdir(exist_ok=True)
        image.save(folder / name.split("-")[0] / f"{name}.png")
    return folder


@pytest.fixture(scope="session")
def lightness() -> torch.Tensor:
    """[8, 1, 64, 64], 0..100, of a portrait."""
    portrait = torch.from_numpy(skimage.data.astronaut()).permute(2, 0, 1)
    squares = [portrait[:, i * 48 : i * 48 + 64, i * 40 : i * 40 + 64] for i in range(8)]
    return rgb_to_lab(torch.stack(squares))[:, :1]


Saved = Callable[..., Path]


@pytest.fixture(scope="session")
def saved_run(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    """Makes the folder of a run of a recipe's network, its weights random and its batch norm having seen noise."""

    def save(recipe_name: str, name: str = "run", seed: int = 0, settings: tuple[str, ...] = ()) -> Path:
        torch.manual_seed(seed)
        recipe = load_recipe(recipe_name, ["network.width=0.0625", "data.size=32", *settings])
        network = build_network(recipe.network, HEADS[recipe.loss.name].channels).train()
        with torch.no_grad():
            for _ in range(3):
                network(torch.rand(4, 1, 32, 32) * 100)
        run = tmp_path_factory.mktemp("runs") / name
        run.mkdir()
        state = {f"network.{key}": value for key, value in network.state_dict().items()}
        kept = {"recipe": recipe.to_dict(), "prior": [1 / ab_bins.Q] * ab_bins.Q}
        content = {"photochrom": kept, "state_dict": state, "global_step": 3}
        last = {key: value + 1 if value.is_floating_point() else value for key, value in state.items()}
        torch.save({**content, "current_model_state": last}, run / "last.ckpt")
        return run

    return save

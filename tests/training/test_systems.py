"""Every system of the paper's table, from its recipe to a photograph: trained for two steps, exported, used."""

import json

import numpy as np
import pytest
import torch
from skimage import color, data

from photochrom.colorizer import load
from photochrom.errors import RecipeError, SettingError
from photochrom.training.export import Card, export, export_weights, load_checkpoint
from photochrom.training.lab_torch import rgb_to_lab
from photochrom.training.recipe import load_recipe
from photochrom.training.run import train
from photochrom.training.task import ColorizationTask

SYSTEMS = ("full", "class", "l2", "l2-ft", "larsson", "dahl", "lite", "alexnet")
SETTINGS = [
    "network.width=0.125", "data.size=64", "data.workers=0", "loss.prior_photographs=8", "training.batch=4",
    "training.visits=8", "training.threads=1", "training.log_every=1", "training.validate_every=1000",
    "training.ema=0.0",
]  # fmt: skip


@pytest.fixture(scope="module")
def runs(photo_tars, tmp_path_factory):
    """name -> folder of a run of two steps."""
    folder = tmp_path_factory.mktemp("systems")
    for name in SYSTEMS:
        settings = [*SETTINGS]
        if name == "l2-ft":
            export_weights(folder / "full", folder / "full.safetensors")
            settings.append(f"network.weights={folder / 'full.safetensors'}")
        if name == "larsson":
            settings.append("loss.positions=16")
        assert train(load_recipe(f"small/{name}", settings), photo_tars, folder / name) == 0
    return {name: folder / name for name in SYSTEMS}


@pytest.mark.parametrize("name", SYSTEMS)
def test_from_a_recipe_to_a_photograph(name, runs, tmp_path):
    export(runs[name], tmp_path / "model.onnx", Card(name, "1", 64), half=False)
    colorizer = load(tmp_path / "model.onnx", threads=1)
    photograph = data.astronaut()[::4, ::4]
    lightness = color.rgb2lab(photograph)[..., 0].astype(np.float32)
    found = colorizer.predict_ab(lightness)
    recipe, content = load_recipe(f"small/{name}", SETTINGS), torch.load(runs[name] / "last.ckpt", weights_only=True)
    task = ColorizationTask(recipe, np.array(content["photochrom"]["prior"])).eval()
    task.load_state_dict(content["state_dict"])
    with torch.no_grad():
        expected = task.colours(torch.from_numpy(lightness)[None, None], colorizer.info.temperature)[0].numpy()
    assert np.abs(found - expected).max() < 0.05
    assert colorizer.info.has_probabilities == (name in ("full", "class", "lite", "alexnet"))
    assert colorizer.info.stride == {"dahl": 1, "alexnet": 8}.get(name, 4)
    coloured = colorizer.colorize(photograph)
    before = rgb_to_lab(torch.from_numpy(photograph).permute(2, 0, 1)[None])[0, 0]
    after = rgb_to_lab(torch.from_numpy(coloured).permute(2, 0, 1)[None])[0, 0]
    assert float(((after - before).abs() <= 1).float().mean()) > 0.99


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_run_says_what_it_was(name, runs):
    description = json.loads((runs[name] / "run.json").read_text())
    assert description["recipe"]["training"]["visits"] == 8 and description["recipe"]["training"]["seed"] == 0
    assert len(description["data"]["fingerprint"]) == 64 and description["versions"]["torch"] == torch.__version__
    assert [json.loads(line)["step"] for line in (runs[name] / "log.jsonl").read_text().splitlines()][:2] == [1, 2]


def test_progress_goes_to_stderr(photo_tars, tmp_path, capsys):
    assert train(load_recipe("small/l2", SETTINGS), photo_tars, tmp_path / "run") == 0
    captured = capsys.readouterr()
    assert "step 2 of 2: loss " in captured.err and " images/s, 0:00:00 left" in captured.err
    assert captured.out == ""


def test_rebalancing_cannot_be_undone_where_there_was_none(runs, tmp_path):
    with pytest.raises(SettingError, match="no classes to rebalance"):
        export(runs["l2"], tmp_path / "model.onnx", Card("l2", "1", 64), rebalance=0.5)


def test_positions_are_larssons(photo_tars, tmp_path):
    with pytest.raises(RecipeError, match="positions is for larsson"):
        train(load_recipe("small/full", [*SETTINGS, "loss.positions=16"]), photo_tars, tmp_path / "run")


def test_a_fine_tuned_regression_starts_where_the_classification_ended(runs):
    full, tuned = (load_checkpoint(runs[name])[0].state_dict() for name in ("full", "l2-ft"))
    # Two steps away from it, where another network's weights would be unrelated.
    for key in ("model1.0.weight", "model5.0.weight"):
        assert torch.nn.functional.cosine_similarity(full[key].flatten(), tuned[key].flatten(), dim=0) > 0.5

"""Weights to take away: what the file computes, what it says of itself, what is refused."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from skimage import data

from photochrom import ab_bins
from photochrom.errors import DataError, ModelError, OutputError
from photochrom.features.export_features import crops, export_features
from photochrom.nets.alexnet import AlexNet
from photochrom.training.export import load_checkpoint
from photochrom.training.heads import HEADS
from photochrom.training.networks import build_network
from photochrom.training.recipe import load_recipe, recipe_from_dict

pytestmark = pytest.mark.usefixtures("one_thread")

SETTINGS = ["network.width=0.0625", "data.size=64"]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """A folder with 12 cut-outs of 96 x 96 pixels."""
    folder = tmp_path_factory.mktemp("photographs")
    for name in ("astronaut", "coffee", "chelsea"):
        for i in range(4):
            left = 40 * i
            Image.fromarray(getattr(data, name)()[i : i + 192 : 2, left : left + 192 : 2]).save(
                folder / f"{name}{i}.png"
            )
    return folder


@pytest.fixture(scope="module")
def checkpoint(photographs, tmp_path_factory):
    """Makes what `photochrom train` would save of a recipe's network, its batch norm having seen photographs."""

    def make(name):
        torch.manual_seed(0)
        recipe = load_recipe(name, SETTINGS)
        network = build_network(recipe.network, HEADS[recipe.loss.name].channels)
        batch = crops(photographs, recipe, 16)
        with torch.no_grad():
            for part in batch.split(4) * 4:
                network.train()(part)
        path = tmp_path_factory.mktemp("run") / "last.ckpt"
        kept = {"recipe": recipe.to_dict(), "prior": [1 / ab_bins.Q] * ab_bins.Q}
        state = {f"network.{key}": value for key, value in network.state_dict().items()}
        torch.save({"photochrom": kept, "state_dict": state, "global_step": 7}, path)
        return path

    return make


@pytest.fixture(scope="module")
def alexnet(checkpoint):
    return checkpoint("small/alexnet")


def read(file):
    with safe_open(file, "pt") as content:
        return {key: content.get_tensor(key) for key in content.keys()}, json.loads(content.metadata()["photochrom"])  # noqa: SIM118


def test_absorbed_and_rescaled_the_file_computes_the_same(alexnet, photographs, tmp_path):
    target = tmp_path / "trunk.safetensors"
    factors = export_features(alexnet, target, absorb=True, photographs=photographs, half=False)
    state, said = read(target)
    network, _, trained = load_checkpoint(alexnet)
    taken = AlexNet(0.0625, batch_norm=False).eval()
    taken.load_state_dict(state)
    lightness = crops(photographs, recipe_from_dict(trained["recipe"], "test"))
    stds = {}
    taken.conv4[0].register_forward_hook(lambda m, a, y: stds.update(conv4=float(y.var((0, 2, 3), False).mean())))
    with torch.no_grad():
        expected, found = network(lightness), taken(lightness)
    assert (found - expected).abs().max() < 1e-4 * expected.std()
    assert stds["conv4"] == pytest.approx(1, abs=1e-3)
    assert said["rescaled_by"] == factors and len(factors) == 8 and factors["fc6.0"] != 1
    assert (said["network"], said["width"], said["step"], said["batch_norm_absorbed"]) == ("alexnet", 0.0625, 7, True)


def test_either_alone_in_half_precision(alexnet, photographs, tmp_path):
    assert export_features(alexnet, tmp_path / "absorbed.safetensors", absorb=True) == {}
    absorbed, said = read(tmp_path / "absorbed.safetensors")
    assert said["rescaled_by"] == {} and absorbed["fc6.0.bias"].dtype == torch.float16
    assert not any(".1." in key for key in absorbed)
    export_features(alexnet, tmp_path / "rescaled.safetensors", photographs=photographs)
    rescaled, said = read(tmp_path / "rescaled.safetensors")
    assert not said["batch_norm_absorbed"] and set(rescaled) == set(AlexNet(0.0625).state_dict())


def test_the_crops_are_those_of_the_recipe(photographs):
    recipe = load_recipe("small/alexnet", SETTINGS)
    first = crops(photographs, recipe)
    assert first.shape == (32, 1, 64, 64) and first.min() >= 0 and first.max() <= 100 and first.std() > 5
    torch.testing.assert_close(crops(photographs, recipe, 4), first[:4])


def test_batch_norm_that_cannot_be_absorbed_is_named(checkpoint, tmp_path):
    path = checkpoint("small/full")
    with pytest.raises(ModelError, match=r"7 batch norms of its ECCV16 .*model1\.4 .*leave --absorb out") as caught:
        export_features(path, tmp_path / "w.safetensors", absorb=True)
    assert str(path) in str(caught.value) and not list(tmp_path.iterdir())
    with pytest.raises(ModelError, match="Larsson has no batch norm"):
        export_features(checkpoint("small/larsson"), tmp_path / "w.safetensors", absorb=True)


def test_nothing_is_overwritten_and_no_photographs_are_an_error(alexnet, tmp_path):
    target = tmp_path / "w.safetensors"
    target.write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        export_features(alexnet, target, absorb=True)
    assert target.read_text() == "mine"
    export_features(alexnet, target, absorb=True, overwrite=True)
    assert target.stat().st_size > 1000
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty"):
        export_features(alexnet, tmp_path / "other.safetensors", photographs=tmp_path / "empty")
    assert not (tmp_path / "other.safetensors").exists()


def test_grey_photographs_say_so(alexnet, tmp_path):
    for i in range(4):
        Image.fromarray(np.full((96, 96, 3), 40 * i, np.uint8)).save(tmp_path / f"{i}.png")
    with pytest.raises(DataError, match="none of the"):
        export_features(alexnet, tmp_path / "w.safetensors", photographs=tmp_path)

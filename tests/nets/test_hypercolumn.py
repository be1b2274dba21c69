"""VGG-16's trunk and the two networks on its hypercolumns."""

import io
import warnings

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import save_file
from skimage import color, data
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from photochrom import tensor_file as foreign_file
from photochrom.errors import ModelError
from photochrom.nets import vgg16
from photochrom.nets.hypercolumn import Dahl, Larsson
from photochrom.nets.vgg16 import NAMES, VGG16Trunk
from photochrom.tensor_file import read_tensors

# torchvision's vgg16().features: channels of the convolutions, each followed by a ReLU; M is a maximum.
PUBLISHED = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")


pytestmark = pytest.mark.usefixtures("one_thread")


def load(trunk, file):
    """As networks.load_start does."""
    return trunk.load_vgg16(read_tensors(file), file)


@pytest.fixture(scope="module")
def lightness():
    return torch.from_numpy(color.rgb2lab(data.astronaut()[:256:4, :384:4])[None, None, ..., 0]).float()  # [1,1,64,96]


def published_features():
    layers, inputs = [], 3
    for item in PUBLISHED:
        if item == "M":
            layers.append(nn.MaxPool2d(2))
        else:
            layers += [nn.Conv2d(inputs, item, 3, padding=1), nn.ReLU()]
            inputs = item
    return nn.Sequential(*layers)


def lively(network, seed=0):
    """Weights that keep the features' size, and batch statistics that are not 0 and 1."""
    random = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            fan_in = module.weight[0].numel()
            module.weight.data = torch.randn(module.weight.shape, generator=random) * (2 / fan_in) ** 0.5
            if module.bias is not None:
                module.bias.data = torch.randn(module.bias.shape, generator=random) * 0.1
        elif isinstance(module, nn.BatchNorm2d):
            module.running_mean = torch.randn(module.running_mean.shape, generator=random) * 0.1
            module.running_var = torch.rand(module.running_var.shape, generator=random) + 0.5
    return network.eval()


@pytest.fixture(scope="module")
def published():
    return lively(published_features())


@pytest.fixture(scope="module")
def published_state(published):
    state = {f"features.{key}": value for key, value in published.state_dict().items()}
    return {**state, "classifier.0.weight": torch.zeros(2, 3)}


def test_the_trunk_has_vgg16s_parameters():
    """torchvision's documentation: 138,357,544 in all, of which the fully connected layers' have 123,642,856."""
    colours = 64 * 2 * 9  # of the first layer, which sees one here
    assert sum(p.numel() for p in VGG16Trunk().parameters()) == 138_357_544 - 123_642_856 - colours


def test_the_hypercolumn_has_all_layers():
    with torch.device("meta"):
        network = Larsson(64)
    assert 1 + sum(network.trunk.channels) == 1 + 4224 + 2048
    assert [share.in_channels for share in network.shares] == [1, *network.trunk.channels]


def test_published_weights_compute_the_same_on_grey(published, published_state, lightness, tmp_path):
    file = tmp_path / "vgg16.pth"
    torch.save(published_state, file)
    trunk = VGG16Trunk()
    assert load(trunk, file) == list(NAMES[:13])
    lightness = lightness[..., :32, :32]
    mean, std = (torch.tensor(v)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    grey = lightness.expand(-1, 3, -1, -1) / 100
    with torch.inference_mode():
        found = trunk(lightness)
        true = published[0]((grey - mean) / std).relu()
        torch.testing.assert_close(found[0][..., 1:-1, 1:-1], true[..., 1:-1, 1:-1], rtol=1e-4, atol=1e-4)
        # The border too, and with it all that follows, if the colours are padded with our grey 0.
        border = torch.ones(1, 3, lightness.shape[2] + 2, lightness.shape[3] + 2) * vgg16.MEAN
        border[..., 1:-1, 1:-1] = grey
        x = functional.conv2d((border - mean) / std, published[0].weight, published[0].bias)
        features = []
        for layer in published[1:]:
            x = layer(x)
            if isinstance(layer, nn.ReLU):
                features.append(x)
    assert len(found) == 13
    for ours, theirs in zip(found, features, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)


def test_safetensors_fill_what_there_is_and_conv6_and_conv7_stay(published_state, tmp_path):
    save_file(published_state, tmp_path / "vgg16.safetensors")
    trunk = VGG16Trunk(last="conv7")
    before = trunk.conv6.weight.clone()
    filled = load(trunk, tmp_path / "vgg16.safetensors")
    assert filled == list(NAMES[:13])
    assert torch.equal(trunk.conv6.weight, before)
    assert torch.equal(trunk.conv5_3.weight, published_state["features.28.weight"])
    assert load(VGG16Trunk(last="conv4_3"), tmp_path / "vgg16.safetensors") == list(NAMES[:10])


class Evil:
    def __reduce__(self):
        return print, ("ran",)


def without(state, key):
    return {k: v for k, v in state.items() if k != key}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: without(s, "features.28.bias"), r"no features\.28\.bias"),
        (lambda s: {**s, "features.1.running_mean": torch.zeros(64)}, r"also features\.1\.running_mean"),
        (lambda s: {**s, "features.0.weight": torch.zeros(64, 1, 3, 3)}, r"features\.0\.weight .*\[64, 1, 3, 3\]"),
        (lambda s: {**s, "features.5.bias": torch.zeros(128, dtype=torch.int64)}, r"features\.5\.bias is torch\.int64"),
        (lambda s: {**s, "features.2.bias": torch.full((64,), torch.nan)}, r"features\.2\.bias .*not finite"),
        (lambda s: {**s, "features.2.bias": "text"}, r"features\.2\.bias is a str"),
        (lambda s: list(s.values()), "holds a list"),
        (lambda s: {**s, "features.2.bias": Evil()}, "would run .*print, which was refused"),
    ],
)
def test_other_files_are_refused_and_change_nothing(published_state, tmp_path, capsys, change, message):
    file = tmp_path / "other.pth"
    torch.save(change(published_state), file)
    trunk = VGG16Trunk()
    before = [p.clone() for p in trunk.parameters()]
    with pytest.raises(ModelError, match=message) as error:
        load(trunk, file)
    assert "other.pth" in str(error.value) and "expected" in str(error.value)
    assert all(torch.equal(a, b) for a, b in zip(before, trunk.parameters(), strict=True))
    assert capsys.readouterr().out == ""


def test_files_that_are_no_weights_are_refused(published_state, tmp_path, monkeypatch):
    trunk = VGG16Trunk(0.25)
    for name, content in (("a.pth", b"hello"), ("b.safetensors", b"hello"), ("c.pth", b"")):
        (tmp_path / name).write_bytes(content)
    for name in ("a.pth", "b.safetensors", "c.pth", "missing.pth", "missing.safetensors"):
        with pytest.raises(ModelError, match=name):
            load(trunk, tmp_path / name)
    torch.save(published_state, tmp_path / "vgg16.pth")
    with pytest.raises(ModelError, match=r"network\.width = 1"):
        load(trunk, tmp_path / "vgg16.pth")
    monkeypatch.setattr(foreign_file, "LIMIT", 1000)
    with pytest.raises(ModelError, match="expected at most"):
        load(VGG16Trunk(), tmp_path / "vgg16.pth")


def hypercolumn_layer(network):
    """The shares' weights side by side, [wide, channels of the hypercolumn], and their biases summed."""
    weight = torch.cat([share.weight[:, :, 0, 0] for share in network.shares], 1)
    return weight, torch.stack([share.bias for share in network.shares]).sum(0)


def test_larsson_equals_the_layer_on_the_concatenated_hypercolumn(lightness):
    network = lively(Larsson(7, 0.125))
    with torch.inference_mode():
        maps = [(lightness - 50) / 100, *network.trunk(lightness)]
        size = (lightness.shape[2] // 4, lightness.shape[3] // 4)
        hypercolumn = torch.cat([functional.interpolate(x, size=size, mode="bilinear") for x in maps], 1)
        weight, bias = hypercolumn_layer(network)
        expected = network.predict(functional.conv2d(hypercolumn, weight[:, :, None, None], bias).relu())
        found = network(lightness)
    assert found.shape == (1, 7, 16, 24) and found.std() > 0.1
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_larsson_at_positions_equals_the_dense_output_at_the_cells_centres(lightness):
    network = lively(Larsson(7, 0.125))
    both = torch.cat([lightness, lightness.flip(3)])
    y, x = torch.meshgrid(torch.arange(16), torch.arange(24), indexing="ij")
    places = torch.stack([(x.flatten() + 0.5) / 24, (y.flatten() + 0.5) / 16], 1).expand(2, -1, -1)
    with torch.inference_mode():
        found, dense = network(both, places), network(both)
    assert found.shape == (2, 7, 16 * 24, 1)
    torch.testing.assert_close(found[..., 0].view_as(dense), dense, rtol=1e-4, atol=1e-4)


def bilinear(feature, x, y):
    """feature: [C, h, w]; x, y in 0..1 across it; one pixel's values, edges repeated."""
    height, width = feature.shape[1:]
    column, row = x * width - 0.5, y * height - 0.5
    left, top = int(np.floor(column)), int(np.floor(row))
    total = np.zeros(len(feature))
    for i, weight_y in ((top, 1 - (row - top)), (top + 1, row - top)):
        for j, weight_x in ((left, 1 - (column - left)), (left + 1, column - left)):
            total += weight_y * weight_x * feature[:, min(max(i, 0), height - 1), min(max(j, 0), width - 1)]
    return total


def test_larsson_anywhere_equals_a_hypercolumn_taken_by_hand(lightness):
    network = lively(Larsson(5, 0.125))
    places = torch.tensor([[[0.0, 0.0], [1.0, 0.4], [0.31, 0.77], [0.999, 0.001]]])
    with torch.inference_mode():
        maps = [(lightness - 50) / 100, *network.trunk(lightness)]
        weight, bias = hypercolumn_layer(network)
        found = network(lightness, places)[0, :, :, 0].T
        for logits, (x, y) in zip(found, places[0].tolist(), strict=True):
            column = np.concatenate([bilinear(feature[0].numpy(), x, y) for feature in maps])
            wide = (weight @ torch.from_numpy(column).float() + bias).relu()
            expected = network.predict.weight[:, :, 0, 0] @ wide + network.predict.bias
            torch.testing.assert_close(logits, expected, rtol=1e-3, atol=1e-3)


def test_at_128_positions_the_hypercolumn_costs_a_fifth_of_the_dense_output():
    with torch.device("meta"):
        network, lightness, places = Larsson(64), torch.zeros(1, 1, 256, 256), torch.zeros(1, 128, 2)
        flops = []
        for compute in (
            lambda: network.trunk(lightness),
            lambda: network(lightness),
            lambda: network(lightness, places),
        ):
            with FlopCounterMode(display=False) as counter:
                compute()
            flops.append(counter.get_total_flops())
    trunk, dense, sampled = flops
    assert sampled - trunk < (dense - trunk) / 5


def test_dahl_gives_full_resolution_and_uses_every_layer(lightness):
    network = lively(Dahl(2, 0.25)).train()
    output = network(torch.cat([lightness, lightness.flip(2)]))
    assert output.shape == (2, 2, 64, 96)
    output.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters() if p.ndim == 4)
    assert network.trunk.names[-1] == "conv4_3"


def test_dahl_adds_each_layer_to_the_doubled_coarser_one(lightness):
    """With 1x1 steps that give 0, what is left is the finest layer alone; the coarser ones come through the steps."""
    network = lively(Dahl(2, 0.25))
    with torch.inference_mode():
        for step in network.steps:
            step[1].weight.zero_()
            step[1].bias.fill_(0.25)
        finest = network.norms[3](network.trunk(lightness)[1])
        torch.testing.assert_close(network(lightness), network.predict(finest + 0.25), rtol=1e-4, atol=1e-4)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("build", [lambda: Larsson(64, 0.125), lambda: Dahl(2, 0.125)])
def test_onnx_equals_pytorch_at_any_size(build, lightness):
    network, file = lively(build()), io.BytesIO()
    axes = {"lightness": {0: "n", 2: "h", 3: "w"}, "output": {0: "n", 2: "oh", 3: "ow"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, (torch.rand(1, 1, 64, 64) * 100,), file, dynamo=False, opset_version=17,
            input_names=["lightness"], output_names=["output"], dynamic_axes=axes,
        )  # fmt: skip
    session = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    for x in (lightness, lightness[..., :32, :32], torch.cat([lightness.mT, lightness.mT.flip(2)])):
        with torch.inference_mode():
            expected = network(x).numpy()
        found = session.run(None, {"lightness": x.numpy()})[0]
        assert found.shape == expected.shape and expected.std() > 0.1
        assert np.abs(found - expected).max() < 1e-3


@pytest.mark.parametrize("build", [Larsson, Dahl])
def test_refuses_a_width_without_channels(build):
    with pytest.raises(ValueError, match="width"):
        build(2, 0)


def test_refuses_an_unknown_last_layer():
    with pytest.raises(ValueError, match="conv5_4"):
        VGG16Trunk(last="conv5_4")

"""The data-dependent initialisation: unit statistics, equal rates, and what it must leave alone."""

import math

import numpy as np
import pytest
import skimage.data
import torch
from skimage import color
from torch import nn

from photochrom.errors import SettingError
from photochrom.nets.alexnet import AlexNet
from photochrom.nets.eccv16 import ECCV16
from photochrom.nets.hypercolumn import Dahl, Larsson
from photochrom.training.initialisation import OUTPUT_STD, initialise, rescale

SPREAD = 1.0  # of log rates: they are means over a few random directions, and the test takes others
LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def batch():
    """Lightness of 8 cut-outs, [8, 1, 64, 64]."""
    random, cuts = np.random.default_rng(0), []
    for name in ("astronaut", "coffee", "chelsea", "rocket"):
        lightness = color.rgb2lab(getattr(skimage.data, name)())[..., 0]
        for _ in range(2):
            top, left = random.integers(0, lightness.shape[0] - 128), random.integers(0, lightness.shape[1] - 128)
            cuts.append(lightness[top : top + 128 : 2, left : left + 128 : 2])
    return torch.tensor(np.stack(cuts)[:, None], dtype=torch.float32)


class Grouped(nn.Module):
    """A small relative of AlexNet: grouped convolutions, dropout, linear layers."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 11, 4, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
            nn.Conv2d(16, 24, 5, padding=2, groups=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
        )  # fmt: skip
        self.classifier = nn.Sequential(nn.Dropout(), nn.Linear(24 * 3 * 3, 12), nn.ReLU(), nn.Linear(12, 5))

    def forward(self, lightness):
        return self.classifier(self.features((lightness - 50) / 100).flatten(1))


NETWORKS = {
    "eccv16": lambda: ECCV16(0.125),
    "alexnet": lambda: AlexNet(0.125),
    "larsson": lambda: Larsson(64, 0.125),
    "dahl": lambda: Dahl(2, 0.125),
    "grouped": Grouped,
}


CASES = [*((name, "kmeans") for name in NETWORKS), ("eccv16", "pca"), ("eccv16", "gaussian")]


def built(name):
    torch.manual_seed(1)
    return NETWORKS[name]()


def layers_of(network):
    return {name: module for name, module in network.named_modules() if isinstance(module, LAYERS)}


def with_batch_statistics(network):
    """Evaluation mode but for batch norm: as the initialisation sees the network."""
    network.eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train()
    return network


def outputs_of(network, batch):
    """name -> [values, channels] of every layer's output, before any ReLU."""
    found = {}
    handles = [
        layer.register_forward_hook(
            lambda m, _, y, name=name: found.update(
                {name: (y if isinstance(m, nn.Linear) else y.movedim(1, -1)).flatten(0, -2).clone()}
            )
        )
        for name, layer in layers_of(network).items()
    ]
    with torch.no_grad():
        with_batch_statistics(network)(batch)
    for handle in handles:
        handle.remove()
    return found


def rates(network, batch):
    """name -> log(norm of the gradient / norm of the weights), the mean over random directions of the output."""
    layers = layers_of(with_batch_statistics(network))
    output = network(batch)
    sums = dict.fromkeys(layers, 0.0)
    for seed in range(4):
        direction = torch.randn(output.shape, generator=torch.Generator().manual_seed(100 + seed))
        gradients = torch.autograd.grad(
            (output * direction).sum(), [m.weight for m in layers.values()], retain_graph=True
        )
        for name, gradient in zip(layers, gradients, strict=True):
            sums[name] += float(gradient.square().sum()) / 4
    return {name: math.log(math.sqrt(sums[name]) / float(layers[name].weight.detach().norm())) for name in layers}


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_every_channel_has_mean_0_and_std_1(batch, name, kind):
    network = built(name)
    initialise(network, batch, kind, balance=False)
    *inner, last = outputs_of(network, batch).values()
    for output in inner:
        torch.testing.assert_close(output.std(0, correction=0), torch.ones(output.shape[1]), atol=5e-3, rtol=0)
    torch.testing.assert_close(last.std(0, correction=0), torch.full((last.shape[1],), OUTPUT_STD), atol=1e-3, rtol=0)
    for layer, output in zip(layers_of(network).values(), [*inner, last], strict=True):
        if layer.bias is not None:
            assert output.mean(0).abs().max() < 2e-3


@pytest.mark.parametrize("name", NETWORKS)
def test_all_layers_learn_at_one_rate(batch, name):
    """All but the prediction layer, and in Larsson's the shares of the hypercolumn, which are added up."""
    network = built(name)
    initialise(network, batch, balance=False)
    inner = [key for key in list(layers_of(network))[:-1] if not key.startswith("shares.")]
    before = rates(network, batch)
    initialise(network, batch)
    after = rates(network, batch)
    spread = [max(r[key] for key in inner) - min(r[key] for key in inner) for r in (before, after)]
    assert spread[1] < SPREAD and spread[1] < spread[0] / 3
    with torch.no_grad():
        output = with_batch_statistics(network)(batch).movedim(1, -1).flatten(0, -2)
    torch.testing.assert_close(
        output.std(0, correction=0), torch.full((output.shape[1],), OUTPUT_STD), atol=1e-3, rtol=0
    )
    assert output.mean(0).abs().max() < 1e-3


def test_shares_of_the_hypercolumn_stay_equal(batch):
    network = built("larsson")
    initialise(network, batch)
    stds = {name: float(y.std(0).mean()) for name, y in outputs_of(network, batch).items()}
    assert all(std == pytest.approx(1, abs=0.05) for name, std in stds.items() if name.startswith("shares."))


def test_a_batch_norm_keeps_the_statistics_of_the_batch(batch):
    network = built("eccv16")
    initialise(network, batch)
    assert network.training and all(m.training for m in network.modules())
    assert network.model1[4].momentum == 0.1 and network.model1[4].num_batches_tracked == 0
    with torch.no_grad():
        expected = with_batch_statistics(network)(batch)
        found = network.eval()(batch)
    assert (found - expected).abs().max() < 0.2 * OUTPUT_STD  # one is with, the other without the n - 1


def test_the_seed_decides_and_pytorchs_random_numbers_stay(batch):
    def weights(seed):
        network = built("dahl")
        torch.manual_seed(5)
        state = torch.get_rng_state()
        initialise(network, batch, seed=seed)
        assert torch.equal(torch.get_rng_state(), state)
        return torch.cat([p.detach().flatten() for p in network.parameters()])

    assert torch.equal(weights(3), weights(3))
    assert not torch.equal(weights(3), weights(4))


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_black_photographs_do_no_harm(batch, name, kind):
    network = built(name)
    initialise(network, torch.zeros(4, 1, 64, 64), kind)
    assert all(value.isfinite().all() for value in network.state_dict().values())
    with torch.no_grad():
        assert network.eval()(batch).isfinite().all()


def test_skipped_modules_are_left_alone(batch):
    network = built("dahl")
    network.norms[1].running_mean.fill_(0.5)
    trained = [f"trunk.{name}" for name in network.trunk.names[:9]]
    before = {key: value.clone() for key, value in network.state_dict().items()}
    initialise(network, batch, skip=[*trained, "norms.1"])
    changed = {key for key, value in network.state_dict().items() if not torch.equal(value, before[key])}
    assert not any(key.startswith((*(f"{name}." for name in trained), "norms.1.")) for key in changed)
    assert {"trunk.conv4_3.weight", "steps.0.0.weight", "norms.0.running_mean", "predict.3.bias"} <= changed


def test_the_prediction_layer_alone_for_a_network_that_starts_from_another(batch):
    network = built("eccv16")
    initialise(network, batch, "gaussian")
    before = {key: value.clone() for key, value in network.state_dict().items()}
    initialise(network, batch, seed=1, skip=[name for name, _ in network.named_modules() if name != "model8.6"])
    changed = {key for key, value in network.state_dict().items() if not torch.equal(value, before[key])}
    assert changed == {"model8.6.weight", "model8.6.bias"}
    output = outputs_of(network, batch)["model8.6"]
    torch.testing.assert_close(output.std(0, correction=0), torch.full((313,), OUTPUT_STD), atol=1e-3, rtol=0)


def test_nothing_changes_where_all_is_skipped(batch):
    network = built("dahl")
    before = {key: value.clone() for key, value in network.state_dict().items()}
    initialise(network, batch, skip=[name for name, _ in network.named_modules()])
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_what_a_skipped_layer_reads_keeps_its_scale(batch):
    """model3.2 is trained for the outputs of model3.0; model8.6, the prediction layer, is not made small."""
    network = built("eccv16")
    initialise(network, batch, "gaussian", balance=False)
    head = network.model8[6].weight.clone()
    initialise(network, batch, "gaussian", skip=["model3.2", "model8.6"])
    stds = {name: float(y.std(0).mean()) for name, y in outputs_of(network, batch).items()}
    assert stds["model3.0"] == pytest.approx(1, abs=1e-2) and stds["model8.4"] == pytest.approx(1, abs=1e-2)
    assert torch.equal(network.model8[6].weight, head)


def test_a_layer_of_zeros_stays_and_harms_nothing(batch):
    network = built("dahl")
    with torch.no_grad():
        network.trunk.conv2_1.weight.zero_()
    rescale(network, batch)
    assert not network.trunk.conv2_1.weight.any()
    assert all(value.isfinite().all() for value in network.state_dict().values())


def test_frozen_parameters_stay_frozen(batch):
    network = built("dahl").requires_grad_(False)
    initialise(network, batch)
    assert not any(p.requires_grad for p in network.parameters())
    assert all(p.grad is None for p in network.parameters())


@pytest.mark.parametrize("name", NETWORKS)
def test_rescaling_keeps_what_the_network_computes(batch, name):
    network = built(name)
    initialise(network, batch, "gaussian", balance=False)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-12  # without it, or nearly
    random = np.random.default_rng(0)
    with torch.no_grad():  # as if training had moved it: every layer to a scale and to biases of its own
        for layer in layers_of(network).values():
            scale = float(np.exp(random.uniform(-1, 1)))
            layer.weight.mul_(scale)
            if layer.bias is not None:
                layer.bias.add_(torch.from_numpy(random.normal(size=len(layer.bias)) * 0.3)).mul_(scale)
        before = with_batch_statistics(network)(batch)
    first = next(iter(layers_of(network).values()))
    direction = first.weight / first.weight.norm()
    rescale(network, batch)
    with torch.no_grad():
        after = with_batch_statistics(network)(batch)
    torch.testing.assert_close(first.weight / first.weight.norm(), direction)
    assert (after - before).abs().max() < 1e-3 * before.std()
    found = rates(network, batch)
    inner = [found[key] for key in list(found)[:-1] if not key.startswith("shares.")]
    assert max(inner) - min(inner) < SPREAD


def test_wrong_arguments_are_refused(batch):
    network = built("dahl")
    with pytest.raises(SettingError, match="kind is 'zca'"):
        initialise(network, batch, "zca")
    with pytest.raises(SettingError, match=r"trunk\.conv9"):
        initialise(network, batch, skip=["trunk.conv9"])
    with pytest.raises(SettingError, match=r"\[0, 1, 64, 64\]"):
        initialise(network, batch[:0])
    with pytest.raises(SettingError, match="finite"):
        rescale(network, batch * torch.nan)
    with pytest.raises(SettingError, match="no convolution"):
        initialise(nn.Sequential(nn.BatchNorm2d(1)), batch)


@pytest.mark.parametrize("seed", range(3))
def test_balancing_that_goes_too_far_is_taken_back(seed):
    """Few small crops through a narrow, deep network with batch norm: one round of algorithm 2 scales its first layers
    until batch norm's epsilon is all that is left, and the prediction layer by the inverse of nothing."""
    torch.manual_seed(seed)
    lightness = color.rgb2lab(skimage.data.astronaut())[..., 0]
    crops = np.stack([lightness[y : y + 64 : 2, y : y + 64 : 2] for y in range(0, 128, 32)])
    few = torch.tensor(crops[:, None]).float().repeat(4, 1, 1, 1)  # as training gives them, epoch after epoch
    network = ECCV16(width=0.25)
    initialise(network, few, "kmeans", seed)
    with torch.no_grad():
        assert float(with_batch_statistics(network)(few).std()) == pytest.approx(OUTPUT_STD, rel=0.1)
        for layer in layers_of(network).values():
            assert 1e-2 < float(layer.weight.norm()) < 1e3

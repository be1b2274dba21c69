"""Absorbed batch norm: the same network, in other words; and where it cannot be absorbed, it is left alone."""

import copy

import pytest
import torch
from skimage import color, data
from torch import nn

from photochrom.errors import ModelError
from photochrom.features.absorb import absorb_batchnorm, kept_batchnorms
from photochrom.features.trunk import Trunk
from photochrom.nets.alexnet import AlexNet
from photochrom.nets.eccv16 import ECCV16
from photochrom.nets.hypercolumn import Dahl
from photochrom.nets.lite import Lite

pytestmark = pytest.mark.usefixtures("one_thread")

SAME = 1e-5  # of the standard deviation of what is compared


@pytest.fixture(scope="module")
def lightness():
    """[4, 1, 64, 64]"""
    sides = [getattr(data, name)()[i : i + 128 : 2, 64:192:2] for name in ("astronaut", "coffee") for i in (0, 128)]
    return torch.stack([torch.from_numpy(color.rgb2lab(side)[None, ..., 0]) for side in sides]).float()


def trained(network, lightness):
    """As after some training: statistics of photographs, and scales and shifts of their own, some of them negative."""
    random = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 0.5, 1, generator=random)
            nn.init.normal_(module.bias, 0, 0.3, generator=random)
            module.momentum = 0.5
    with torch.no_grad():
        for part in lightness.split(2):
            network.train()(part)
    return network.eval()


def features(network, lightness, names):
    """The output of each module named, and of the network."""
    found = {}
    for name in names:
        network.get_submodule(name).register_forward_hook(lambda m, a, y, name=name: found.update({name: y.clone()}))
    with torch.no_grad():
        found["output"] = network(lightness)
    return found


def assert_same(found, expected, tolerance=SAME):
    assert found.shape == expected.shape and expected.std() > 0
    assert (found - expected).abs().max() <= tolerance * expected.std()


def test_alexnet_without_batch_norm_is_alexnet(lightness):
    """Layer by layer in double precision, where nothing but a mistake is left; the output as it is used."""
    torch.manual_seed(0)
    network = trained(AlexNet(0.125), lightness)
    with torch.no_grad():
        assert_same(absorb_batchnorm(network)(lightness), network(lightness))
    network, lightness = network.double(), lightness.double()
    absorbed = absorb_batchnorm(network)
    assert kept_batchnorms(absorbed) == [] and len(kept_batchnorms(network)) == 7
    names = ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7"]
    expected = features(network, lightness, names)
    for name, y in features(absorbed, lightness, names).items():
        assert_same(y, expected[name], 1e-12)
    plain = AlexNet(0.125, batch_norm=False).double().eval()
    plain.load_state_dict(absorbed.state_dict())
    assert_same(plain(lightness).detach(), expected["output"], 1e-12)


def test_a_weight_and_a_bias_by_hand():
    network = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1, eps=0)).eval()
    state = {"0.weight": [[[[3.0]]]], "0.bias": [1.0], "1.weight": [4.0], "1.bias": [5.0]}
    state |= {"1.running_mean": [7.0], "1.running_var": [4.0]}
    network.load_state_dict({k: torch.tensor(v) for k, v in state.items()}, strict=False)
    conv = absorb_batchnorm(network)[0]
    assert (conv.weight.item(), conv.bias.item()) == (3 * 4 / 2, (1 - 7) * 4 / 2 + 5)


@pytest.mark.parametrize("build", [Lite, lambda: Dahl(2, 0.125)])
def test_other_networks_compute_what_they_did(build, lightness):
    torch.manual_seed(0)
    network = trained(build(), lightness)
    absorbed = absorb_batchnorm(network)
    with torch.no_grad():
        assert_same(absorbed(lightness), network(lightness))
    # Dahl's: those of a ReLU's output, which is added to others.
    kept = [] if isinstance(network, Lite) else [f"norms.{i}" for i in range(4)]
    assert kept_batchnorms(absorbed) == kept


def test_batch_norm_behind_a_relu_stays(lightness):
    network = trained(ECCV16(0.125), lightness)
    absorbed = absorb_batchnorm(network)
    assert kept_batchnorms(absorbed) == [f"model{n}.{4 if n < 3 else 6}" for n in range(1, 8)]
    with torch.no_grad():
        assert torch.equal(absorbed(lightness), network(lightness))


def test_a_trunk_is_absorbed_beyond_its_stages(lightness):
    trunk = Trunk(trained(AlexNet(0.0625), lightness), "alexnet", 64)
    absorbed = absorb_batchnorm(trunk)
    assert isinstance(absorbed, Trunk) and kept_batchnorms(absorbed) == [] and len(kept_batchnorms(trunk)) == 7
    with torch.no_grad():
        expected, found = trunk(lightness), absorbed(lightness)
        assert_same(absorbed.network(lightness), trunk.network(lightness))
    assert list(found) == ["conv1", "conv2", "conv3", "conv4", "conv5"]
    for stage in found:
        assert (found[stage] - expected[stage]).abs().max() < 1e-4 * expected[stage].std()


class Forked(nn.Module):
    """Its convolution is read by another than the batch norm; or runs twice."""

    def __init__(self, twice):
        super().__init__()
        self.conv, self.norm, self.twice = nn.Conv2d(1, 1, 3, padding=1), nn.BatchNorm2d(1), twice

    def forward(self, x):
        y = self.conv(self.conv(x) if self.twice else x)
        return self.norm(y) + (x if self.twice else y)


ODD = {
    "transposed": (lambda: nn.Sequential(nn.ConvTranspose2d(1, 6, 4, 2, 1), nn.BatchNorm2d(6)), 0),
    "grouped and transposed": (
        lambda: nn.Sequential(nn.Conv2d(1, 4, 1), nn.ConvTranspose2d(4, 6, 4, 2, 1, groups=2), nn.BatchNorm2d(6)), 1,
    ),
    "without scale and shift": (lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4, affine=False)), 0),
    "without statistics": (
        lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4, track_running_stats=False)), 1,
    ),
    "linear": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(64 * 64, 3, bias=False), nn.BatchNorm1d(3)), 0),
    "first of all": (lambda: nn.Sequential(nn.BatchNorm2d(1), nn.Conv2d(1, 2, 1)), 1),
    "read by another": (lambda: Forked(False), 1),
    "run twice": (lambda: Forked(True), 1),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD)
def test_whatever_stands_ahead_of_it(case, lightness):
    torch.manual_seed(1)
    build, kept = ODD[case]
    network = build()
    with torch.no_grad():
        for part in lightness.split(2):
            network.train()(part)
        network.eval()
        absorbed = absorb_batchnorm(network)
        assert_same(absorbed(lightness), network(lightness))
    assert len(kept_batchnorms(absorbed)) == kept


def test_the_network_itself_and_its_modes_stay(lightness):
    network = AlexNet(1 / 16)
    network.conv1.requires_grad_(False)
    network.conv2.eval()
    before = copy.deepcopy(network.state_dict())
    absorbed = absorb_batchnorm(network)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert network.training and absorbed.training and absorbed.conv3[0].training and not absorbed.conv2[0].training
    learns = {name: p.requires_grad for name, p in absorbed.named_parameters()}
    assert not learns["conv1.0.weight"] and not learns["conv1.0.bias"] and learns["conv2.0.bias"]


def test_a_way_that_depends_on_the_photograph_is_refused():
    class Moody(nn.Module):
        def forward(self, x):
            return x if x.mean() > 0 else -x

    with pytest.raises(ModelError, match="Moody"):
        absorb_batchnorm(Moody())

"""Rescaled networks: layers of one size, and the same function."""

import math

import pytest
import torch
from skimage import color, data
from torch import nn

from photochrom.errors import SettingError
from photochrom.features.absorb import absorb_batchnorm
from photochrom.features.rescale import rescale
from photochrom.features.trunk import Trunk
from photochrom.nets.alexnet import AlexNet
from photochrom.nets.eccv16 import ECCV16
from photochrom.nets.hypercolumn import Dahl, Larsson
from photochrom.nets.lite import Lite

pytestmark = pytest.mark.usefixtures("one_thread")

SAME = 1e-4  # of the standard deviation of what is compared


@pytest.fixture(scope="module")
def photographs():
    """Lightness of 8 cut-outs, [8, 1, 64, 64]."""
    names = ("astronaut", "coffee", "chelsea", "rocket")
    sides = [getattr(data, name)()[i : i + 128 : 2, 100:228:2] for name in names for i in (0, 128)]
    return torch.stack([torch.from_numpy(color.rgb2lab(side)[None, ..., 0]) for side in sides]).float()


def trained(network, photographs):
    """As if training had moved it: every layer to a scale and biases of its own, batch norm to statistics."""
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 0.5
                nn.init.uniform_(module.weight, 0.5, 1.5, generator=random)
                nn.init.normal_(module.bias, 0, 0.3, generator=random)
            elif isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                module.weight.mul_(math.exp(float(torch.rand(1, generator=random)) * 3 - 1.5))
                if module.bias is not None:
                    nn.init.normal_(module.bias, 0, 0.1, generator=random)
        for part in photographs.split(4):
            network.train()(part)
    return network.eval()


def spreads(network, photographs):
    """name -> root of the mean variance of the layer's channels, before its ReLU."""
    found = {}

    def note(name, y):
        found[name] = math.sqrt(sum(float(y[:, c].var(correction=0)) for c in range(y.shape[1])) / y.shape[1])

    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            module.register_forward_hook(lambda m, a, y, name=name: note(name, y))
    with torch.no_grad():
        network(photographs)
    return found


def assert_same(found, expected):
    assert expected.std() > 0
    assert (found - expected).abs().max() <= SAME * expected.std()


NETWORKS = {
    "alexnet": lambda: AlexNet(0.125, 20),
    "eccv16": lambda: ECCV16(0.125, 20),
    "lite": lambda: Lite(outputs=20),
    "larsson": lambda: Larsson(20, 0.0625),
    "dahl": lambda: Dahl(2, 0.0625),
}


@pytest.mark.parametrize("absorbed", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_network_computes_what_it_did(name, absorbed, photographs):
    torch.manual_seed(0)
    network = trained(NETWORKS[name](), photographs)
    if absorbed:
        network = absorb_batchnorm(network)
    with torch.no_grad():
        expected = network(photographs)
        factors = rescale(network, photographs[:4])
        assert_same(network(photographs), expected)  # on photographs too that did not decide on the scales
    assert sum(factor != 1 for factor in factors.values()) > 5


@pytest.mark.parametrize("name", ["alexnet", "eccv16"])
def test_every_layer_but_the_last_has_variance_1(name, photographs):
    torch.manual_seed(0)
    network = absorb_batchnorm(trained(NETWORKS[name](), photographs))
    before = spreads(network, photographs)
    rescale(network, photographs)
    *inner, last = spreads(network, photographs).items()
    assert max(before.values()) > 3 * min(before.values())
    assert len(inner) == {"alexnet": 7, "eccv16": 22}[name]
    assert all(spread == pytest.approx(1, abs=1e-3) for _, spread in inner)
    assert last[1] == pytest.approx(before[last[0]], rel=1e-3)


def test_two_layers_by_hand():
    network = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.Conv2d(1, 1, 1))
    state = {"0.weight": 3.0, "0.bias": 5.0, "2.weight": 2.0, "2.bias": 7.0}
    network.load_state_dict({k: torch.full_like(network.state_dict()[k], v) for k, v in state.items()})
    # Inputs 0 and 2 give 5 and 11: mean 8, standard deviation 3.
    assert rescale(network, torch.tensor([0.0, 2.0]).view(2, 1, 1, 1)) == {"0": pytest.approx(1 / 3), "2": 1.0}
    found = {key: value.item() for key, value in network.state_dict().items()}
    assert found == pytest.approx({"0.weight": 1, "0.bias": 5 / 3, "2.weight": 6, "2.bias": 7})


def test_filters_keep_their_directions(photographs):
    network = absorb_batchnorm(trained(AlexNet(0.125), photographs))
    before = {key: value.clone() for key, value in network.state_dict().items() if key.endswith("weight")}
    rescale(network, photographs)
    for key, value in before.items():
        found = network.state_dict()[key]
        torch.testing.assert_close(found / found.norm(), value / value.norm())


def test_a_channel_that_is_dead_ahead_of_a_batch_norm(photographs):
    """Its variance is 0: all that the batch norm divides by is the epsilon, which does not scale."""
    network = trained(ECCV16(0.0625, 20), photographs)
    with torch.no_grad():
        network.model3[4].weight[0].zero_()
        network.model3[4].bias[0] = 1e-3
        network.model3[6].running_var[0], network.model3[6].running_mean[0] = 0, 0
        expected = network(photographs)
        assert rescale(network, photographs)["model3.4"] != 1
        assert_same(network(photographs), expected)


def test_where_scales_cannot_pass():
    """ReLU6 cuts at 6; sums need both terms as they were; a layer that runs twice would need two scales."""

    class Awkward(nn.Module):
        def __init__(self):
            super().__init__()
            self.cut, self.left, self.right, self.twice, self.free, self.last = (nn.Conv2d(1, 1, 1) for _ in range(6))
            self.relu6 = nn.ReLU6()

        def forward(self, x):
            x = self.relu6(self.cut(x))
            x = self.twice(self.twice(self.left(x) + self.right(x).relu()))
            return self.last(torch.relu(self.free(x)))

    torch.manual_seed(0)
    network, x = Awkward(), torch.randn(64, 1, 2, 2) * 4
    for parameter in network.parameters():
        nn.init.constant_(parameter, 1.5)
    expected = network(x).detach()
    factors = rescale(network, x)
    assert {name for name, factor in factors.items() if factor != 1} == {"free"}
    assert_same(network(x).detach(), expected)


def test_a_trunk_gives_multiples_of_its_features(photographs):
    trunk = Trunk(trained(ECCV16(0.125), photographs), "eccv16", 64)
    with torch.no_grad():
        before = trunk(photographs)
        output = trunk.network(photographs)
        factors = rescale(trunk, photographs)
        after = trunk(photographs)
        assert_same(trunk.network(photographs), output)
    for stage in trunk.stages[:-1]:  # behind a batch norm
        assert_same(after[stage], before[stage])
    assert_same(after["conv8"], before["conv8"] * factors["model8.4"])
    assert factors["model8.4"] != 1


def test_black_photographs_do_no_harm(photographs):
    network = absorb_batchnorm(trained(AlexNet(0.0625), photographs))
    with torch.no_grad():
        expected = network(photographs)
        # Around the photograph are zeros, which stand for middle grey: black has edges there, middle grey has none.
        for level, still in ((0.0, False), (50.0, True)):
            factors = rescale(network, torch.full((2, 1, 64, 64), level))
            assert (factors["conv1.0"] == 1) == still
            assert all(math.isfinite(factor) for factor in factors.values())
            assert_same(network(photographs), expected)


def test_outputs_that_have_nearly_vanished_come_back():
    """As with the Gaussians of standard deviation 0.01 that AlexNet was once started from."""
    torch.manual_seed(0)
    network = nn.Sequential(*[layer for _ in range(9) for layer in (nn.Conv2d(1, 1, 1, bias=False), nn.ReLU())])[:-1]
    for parameter in network.parameters():
        nn.init.constant_(parameter, 0.01)
    x = torch.rand(64, 1, 2, 2)
    spread = float(x.std(correction=0))
    factors = rescale(network, x)
    assert [factors[str(2 * i)] for i in range(8)] == pytest.approx([100 ** (i + 1) / spread for i in range(8)])
    torch.testing.assert_close(network(x), x * 1e-18, rtol=1e-4, atol=0)


def test_a_layer_of_zeros_stays():
    network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.Conv2d(2, 2, 1), nn.ReLU(), nn.Conv2d(2, 1, 1))
    for parameter in network[2].parameters():
        nn.init.zeros_(parameter)
    assert rescale(network, torch.randn(4, 1, 3, 3))["2"] == 1
    assert not network[2].weight.any() and all(p.isfinite().all() for p in network.parameters())


def test_modes_and_statistics_stay(photographs):
    network = trained(AlexNet(0.0625), photographs).train()
    network.conv2.eval()
    counts = [m.num_batches_tracked.clone() for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    rescale(network, photographs)
    assert network.training and network.conv1[1].training and not network.conv2[1].training
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all(torch.equal(m.num_batches_tracked, count) for m, count in zip(norms, counts, strict=True))


@pytest.mark.parametrize("bad", [torch.zeros(0, 1, 64, 64), torch.full((2, 1, 64, 64), torch.nan)])
def test_batches_that_say_nothing_are_refused(bad):
    with pytest.raises(SettingError, match="all values finite"):
        rescale(AlexNet(0.0625), bad)

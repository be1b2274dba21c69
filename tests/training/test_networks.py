"""What a run starts from: nothing, a file's weights, a trunk's, or those of another system without its last layer."""

import pytest
import torch
from safetensors.torch import save_file

from photochrom.errors import RecipeError
from photochrom.nets.eccv16 import ECCV16
from photochrom.training.networks import NETWORKS, build_network, load_start
from photochrom.training.recipe import Network, bundled_recipes, load_recipe


def lightness():
    return torch.rand(4, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * 100


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_gives_what_its_head_asks_for(name):
    network = build_network(Network(name=name, width=0.125), 7).eval()
    with torch.no_grad():
        assert network(torch.zeros(1, 1, 64, 32)).shape == (1, 7, 64 // network.stride, 32 // network.stride)


@pytest.mark.parametrize("name", bundled_recipes())
def test_every_recipe_names_a_network_and_what_it_starts_from(name):
    settings = load_recipe(name).network
    build_network(Network(name=settings.name, width=0.0625))
    assert bool(settings.weights) == name.endswith("l2-ft")


def test_another_systems_trunk_without_its_last_layer(tmp_path):
    full, file = ECCV16(0.125), tmp_path / "full.safetensors"
    save_file(full.state_dict(), file)
    settings = Network(
        name="eccv16", width=0.125, weights=str(file), weights_without="model8.6", initialisation="kmeans"
    )
    network = build_network(settings, 2)
    load_start(network, settings, lightness)
    own, theirs = network.state_dict(), full.state_dict()
    assert all(torch.equal(own[key], theirs[key]) for key in own if not key.startswith("model8.6"))
    assert own["model8.6.weight"].shape[0] == 2
    with pytest.raises(RecipeError, match="not weights of eccv16"):
        load_start(network, Network(name="eccv16", width=0.125, weights=str(file)), lightness)


def test_a_data_dependent_start_depends_on_the_seed_alone():
    settings = Network(name="eccv16", width=0.125, initialisation="kmeans")
    found = []
    for seed in (0, 0, 1):
        network = build_network(settings)
        load_start(network, settings, lightness, seed)
        found.append(network.model3[0].weight.detach())
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Network(name="eccv16", initialisation="magic"), "initialisation is 'magic'; expected one of: default, kmeans"),
        (Network(name="eccv16", trunk="vgg.pth"), "eccv16 has no VGG-16 trunk"),
        (Network(name="larsson", width=0.125, trunk="nowhere.pth"), "nowhere.pth"),
    ],
)
def test_starts_that_cannot_be(settings, message):
    with pytest.raises(RecipeError, match=message):
        load_start(build_network(Network(name=settings.name, width=0.125)), settings, lightness)


def test_an_unknown_network():
    with pytest.raises(RecipeError, match=r"network\.name is 'vgg'; expected one of: lite, eccv16, larsson, dahl"):
        build_network(Network(name="vgg"))

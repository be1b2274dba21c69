"""Recipes: the bundled ones load; unknown keys and wrong types are named."""

import pytest

from photochrom.errors import RecipeError
from photochrom.training.recipe import bundled_recipes, load_recipe


@pytest.mark.parametrize("name", bundled_recipes())
def test_bundled_recipes_load(name):
    recipe = load_recipe(name)
    assert recipe.steps > 0 and recipe.data.size % 32 == 0


def test_the_papers_recipe_has_the_papers_numbers():
    recipe = load_recipe("full")
    assert recipe.optimizer.betas == (0.9, 0.99) and recipe.optimizer.weight_decay == 1e-3
    assert (recipe.optimizer.lr, recipe.training.batch, recipe.steps) == (3.16e-5, 40, 450_000)
    assert (recipe.loss.lam, recipe.loss.k, recipe.loss.sigma) == (0.5, 5, 5.0)


def test_the_papers_alexnet_is_trained_as_its_network():
    alexnet, full = load_recipe("alexnet"), load_recipe("full")
    assert (alexnet.network.name, alexnet.network.width) == ("alexnet", 1.0)
    for section in ("data", "loss", "optimizer", "schedule", "training"):
        assert getattr(alexnet, section) == getattr(full, section)


def test_set_changes_values_in_toml_syntax():
    recipe = load_recipe("lite", ["optimizer.lr=1e-4", "network.name=eccv16", "data.mirror=false", "training.ema=0"])
    assert recipe.optimizer.lr == 1e-4 and recipe.network.name == "eccv16"
    assert recipe.data.mirror is False and recipe.training.ema == 0.0


def test_a_file_is_a_recipe(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("[training]\nvisits = 640\n")
    assert load_recipe(str(file)).steps == 20


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[loss]\nlambda = 1.0", r"unknown key loss\.lambda; expected one of: distance, distance_lam, k, lam"),
        ("[los]\nlam = 1.0", "unknown key los;"),
        ("loss = 3", "loss is 3; expected a section"),
        ("[training]\nbatch = 'many'", r"training\.batch is 'many'; expected int"),
        ("[training]\nbatch = true", r"training\.batch is True; expected int"),
        ("[optimizer]\nbetas = [0.9]", r"optimizer\.betas is \[0\.9\]; expected 2 values"),
        ("[training", "not valid TOML"),
    ],
)
def test_mistakes_are_named(tmp_path, text, message):
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(RecipeError, match=message) as caught:
        load_recipe(str(file))
    assert "mine.toml" in str(caught.value)


@pytest.mark.parametrize("setting", ["lr", "lr=1", "optimizer.lr", ".=1"])
def test_settings_need_a_section_a_key_and_a_value(setting):
    with pytest.raises(RecipeError):
        load_recipe("lite", [setting])


def test_an_unknown_recipe_names_the_known():
    with pytest.raises(RecipeError, match="lite"):
        load_recipe("nonsense")

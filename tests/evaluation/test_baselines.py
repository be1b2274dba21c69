from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from photochrom.ab_bins import nearest_bins
from photochrom.errors import SettingError
from photochrom.evaluation.baselines import (
    LIGHTNESS_CELLS,
    LightnessTable,
    RandomColours,
    best_table,
    colour_histogram,
    lightness_cell,
    make_baseline,
)
from photochrom.evaluation.colour import ColourTally, rebalancing
from photochrom.evaluation.photographs import list_photographs, read_crop, read_whole
from photochrom.evaluation.results import ColourScores
from photochrom.evaluation.systems import System


def score(system: System, paths: list[Path]) -> ColourScores:
    photographs = [read_crop(path, 256) for path in paths]
    weights = rebalancing(photographs)
    return ColourTally.of(((photograph, system.ab(photograph)) for photograph in photographs), weights).scores()


def test_constant_is_the_best_colour_by_brute_force(photographs: Path) -> None:
    """Against every colour of a coarse grid, scored in full on the photographs it is fitted on."""
    paths = list_photographs(photographs)[:3]
    constant = make_baseline("constant", paths)
    assert isinstance(constant, LightnessTable)
    truth = np.concatenate([read_crop(path, 256).ab[::4, ::4].reshape(-1, 2) for path in paths])
    bins = nearest_bins(truth, 1)[0][:, 0]
    weight = 1 / np.bincount(bins, minlength=313)[bins]
    weight /= weight.sum()

    def figures(colour: np.ndarray) -> tuple[float, float]:
        area = 100 * np.maximum(150.5 - np.ceil(np.hypot(*(truth - colour).T)), 0) / 150
        return float(area.mean()), float(area @ weight)

    grey = figures(np.zeros(2))[0]
    grid = [figures(np.array([a, b])) for a in range(-30, 31, 3) for b in range(-30, 31, 3)]
    best = max(rebalanced for plain, rebalanced in grid if plain >= grey - 1)
    plain, rebalanced = figures(constant.colours[0])
    assert plain >= grey - 1.05  # fitted on colours rounded to whole units
    assert rebalanced >= best - 0.05


def test_a_table_gains_more_than_a_constant_where_it_was_fitted(photographs: Path) -> None:
    paths = list_photographs(photographs)
    constant, table = (score(make_baseline(name, paths), paths) for name in ("constant", "lightness-table"))
    assert 0 < constant.gain_at_1.value < table.gain_at_1.value
    assert 0.9 <= table.gain_scale <= 1.1


def test_histogram_counts_every_sampled_pixel(photographs: Path) -> None:
    paths = list_photographs(photographs)[:2]
    counts = colour_histogram(paths, 4)
    assert counts.shape == (4, 257, 257)
    assert counts.sum() == 2 * 64 * 64
    lightness = np.concatenate([read_crop(path, 256).lightness[::4, ::4].ravel() for path in paths])
    np.testing.assert_array_equal(counts.sum((1, 2)), np.histogram(lightness, [0, 25, 50, 75, 100.1])[0])


def test_table_learns_a_colour_for_each_lightness() -> None:
    """Dark pixels blue, light pixels yellow: nothing is given up by the true colours."""
    counts = np.zeros((2, 257, 257))
    counts[0, 128 + 10, 128 - 40] = 700
    counts[1, 128 - 5, 128 + 60] = 300
    np.testing.assert_array_equal(best_table(counts), [[10, -40], [-5, 60]])


def test_lightness_cells_cover_0_to_100() -> None:
    assert lightness_cell(np.array([0, 4.99, 5, 99.9, 100]), LIGHTNESS_CELLS).tolist() == [0, 0, 1, 19, 19]


def test_random_takes_another_photograph_s_colours(photographs: Path) -> None:
    paths = list_photographs(photographs)[:2]
    random = RandomColours(paths, seed=5)
    first = read_crop(paths[0], 256)
    np.testing.assert_array_equal(random.ab(first), read_crop(paths[1], 256).ab)  # never its own
    whole = read_whole(paths[0])
    assert random.ab(whole).shape == (*whole.rgb.shape[:2], 2)
    with pytest.raises(SettingError, match="no other photograph"):
        RandomColours(paths[:1]).ab(first)


def test_baselines_say_what_they_were_fitted_on(photographs: Path) -> None:
    paths = list_photographs(photographs)
    for name in ("constant", "lightness-table", "random"):
        assert "even half" in make_baseline(name, paths).note
    with pytest.raises(SettingError, match=r"'blue'.*grey, constant"):
        make_baseline("blue", paths)

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from photochrom.ab_bins import CENTRES, Q, annealed_mean, mode
from photochrom.evaluation.report.distributions import (
    MODE_RADIUS,
    SEPARATION,
    annealed,
    densest,
    entropy,
    shares,
    two_modes,
)
from photochrom.evaluation.report.multimodal import LEAST


def bin_at(a: int, b: int) -> int:
    return int(((a, b) == CENTRES).all(1).argmax())


def random_distributions(seed: int, shape: tuple[int, ...] = (3, 4), concentration: float = 0.02) -> NDArray:
    drawn = np.random.default_rng(seed).gamma(concentration, size=(Q, *shape)) + 1e-30
    return (drawn / drawn.sum(0)).astype(np.float32)


def bump(a: float, b: float, width: float) -> NDArray[np.float64]:
    weights = np.exp(-((CENTRES - (a, b)) ** 2).sum(1) / (2 * width**2))
    return weights / weights.sum()


def test_annealed_is_the_annealed_mean_and_the_mode() -> None:
    p = random_distributions(0, concentration=0.5)
    last = np.moveaxis(p, 0, -1)
    for temperature in (0.1, 0.38, 1.0):
        expected = np.moveaxis(annealed_mean(last, temperature), -1, 0)
        np.testing.assert_allclose(annealed(p, temperature), expected, atol=1e-4)
    np.testing.assert_array_equal(annealed(p, 0), np.moveaxis(mode(last), -1, 0))


@given(st.integers(0, 10_000), st.floats(0.001, 10))
@settings(max_examples=30, deadline=None)
def test_entropy_is_scipy_s(seed: int, concentration: float) -> None:
    p = random_distributions(seed, concentration=concentration)
    np.testing.assert_allclose(entropy(p), stats.entropy(p.astype(np.float64), axis=0), atol=1e-5)


def test_entropy_of_certainty_and_of_none() -> None:
    certain = np.zeros(Q)
    certain[7] = 1
    assert entropy(certain) == 0
    assert entropy(np.full(Q, 1 / Q)) == pytest.approx(np.log(Q))


@pytest.mark.parametrize("seed", range(5))
def test_two_modes_by_a_loop(seed: int) -> None:
    p = random_distributions(seed, shape=(1,))[:, 0].astype(np.float64)

    def apart(q: int, centre: NDArray) -> float:
        return math.dist(CENTRES[q], centre)

    def mass(centre: NDArray) -> float:
        return sum(p[q] for q in range(Q) if apart(q, centre) <= MODE_RADIUS)

    def density(centre: NDArray) -> float:
        rim = MODE_RADIUS + 0.1
        return sum(p[q] * (1 - apart(q, centre) ** 2 / rim**2) for q in range(Q) if apart(q, centre) <= MODE_RADIUS)

    first = max(range(Q), key=lambda q: density(CENTRES[q]))
    far = [q for q in range(Q) if apart(q, CENTRES[first]) >= SEPARATION]
    second = max(far, key=lambda q: density(CENTRES[q]))
    half_way = (CENTRES[first] + CENTRES[second]) / 2
    middle = min(range(Q), key=lambda q: apart(q, half_way))
    found = two_modes(p)
    assert (found.first, found.second) == (first, second)
    assert found.first_mass == pytest.approx(mass(CENTRES[first]), abs=1e-5)
    assert found.second_mass == pytest.approx(mass(CENTRES[second]), abs=1e-5)
    assert found.bimodality == pytest.approx(mass(CENTRES[second]) - mass(CENTRES[middle]), abs=1e-5)


def test_two_equal_modes_have_the_highest_bimodality() -> None:
    p = np.zeros((Q, 2, 1))
    p[bin_at(60, 40), 0] = p[bin_at(-40, 40), 0] = 0.5
    p[bin_at(60, 40), 1], p[bin_at(-40, 40), 1] = 0.8, 0.2
    found = two_modes(p)
    assert found.bimodality[:, 0] == pytest.approx([0.5, 0.2])
    assert found.first_mass[:, 0] == pytest.approx([0.5, 0.8])
    assert found.second_mass[:, 0] == pytest.approx([0.5, 0.2])


def test_no_mode_at_all_is_hardly_bimodal() -> None:
    assert two_modes(np.full(Q, 1 / Q)).bimodality < LEAST / 10


@pytest.mark.parametrize("width", [5, 15, 30, 60])
def test_one_mode_is_never_bimodal_however_wide(width: float) -> None:
    """A second mode that is the first one's tail has no valley before it."""
    for centre in ((0, 0), (20, 30), (-30, 20)):
        assert two_modes(bump(*centre, width)).bimodality <= 0


def test_two_bumps_are_bimodal_where_they_are_apart() -> None:
    apart, merged = (0.5 * bump(-45, 40, 10) + 0.5 * bump(x, 40, 10) for x in (55, -15))
    assert two_modes(apart).bimodality > 0.3 and two_modes(merged).bimodality <= 0


def test_nothing_counted() -> None:
    nothing = np.zeros((64, 64), np.int64)
    assert shares(nothing).sum() == 0
    assert densest(shares(nothing), 0.99) == 0


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30).filter(any), st.floats(0.1, 0.99))
def test_densest_cells_hold_what_they_should(counts: list[int], covered: float) -> None:
    share = shares(np.array(counts))
    level = densest(share, covered)
    assert share[share >= level].sum() >= covered - 1e-9
    assert share[share > level].sum() < covered + 1e-9

"""The intervals: against loops and closed forms, and how often they cover the truth in simulated studies."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from photochrom.study.simulation import Population, coverage, design, simulate
from photochrom.study.statistics import crossed_interval, participant_interval

from .test_plan import a_study

STUDIES = 1000


def by_hand(fooled: list[int], who: list[int], what: list[int]) -> tuple[float, float]:
    """crossed_interval with dictionaries and loops."""
    n = len(fooled)
    mean = sum(fooled) / n

    def variance(labels: list[int]) -> float:
        sums: dict[int, float] = {}
        for label, answer in zip(labels, fooled, strict=True):
            sums[label] = sums.get(label, 0) + answer - mean
        return len(sums) / (len(sums) - 1) * sum(value**2 for value in sums.values()) / n**2

    alone = variance(list(range(n)))
    deviation = math.sqrt(max(variance(who) + variance(what) - alone, alone))
    t = stats.t.ppf(0.975, min(len(set(who)), len(set(what))) - 1)
    centre, reach = math.log(mean / (1 - mean)), t * deviation / (mean * (1 - mean))
    low, high = (1 / (1 + math.exp(-(centre + sign * reach))) for sign in (-1, 1))
    return low, high


@st.composite
def answers(draw: st.DrawFn) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    n = draw(st.integers(4, 60))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    fooled = (rng.random(n) < draw(st.floats(0.1, 0.9))).astype(int)
    fooled[:2] = 0, 1
    who, what = (rng.integers(draw(st.integers(2, 12)), size=n) for _ in range(2))
    who[:2], what[:2] = (0, 1), (0, 1)
    return fooled, who, what


@settings(deadline=None)
@given(answers())
def test_crossed_interval_by_hand(data: tuple[NDArray[np.int64], ...]) -> None:
    fooled, who, what = data
    assert crossed_interval(fooled, who, what) == pytest.approx(by_hand(fooled.tolist(), who.tolist(), what.tolist()))


@settings(deadline=None, max_examples=50)
@given(answers())
def test_crossed_interval_knows_no_order_and_no_names(data: tuple[NDArray[np.int64], ...]) -> None:
    fooled, who, what = data
    found = np.stack(crossed_interval(fooled, who, what))
    order = np.random.default_rng(len(fooled)).permutation(len(fooled))
    names = np.array([f"participant {30 - number}" for number in who])
    np.testing.assert_allclose(crossed_interval(fooled[order], names[order], what[order]), found)
    np.testing.assert_allclose(crossed_interval(fooled, what, who), found)
    np.testing.assert_allclose(crossed_interval(1 - fooled, who, what), 1 - found[::-1], atol=1e-12)
    assert 0 <= found[0] <= fooled.mean() <= found[1] <= 1


def test_many_studies_at_once() -> None:
    who, what = design(5, 60)
    fooled = simulate(Population(0.3, 0.5, 1.0), who, what, 7, np.random.default_rng(0))
    both, people = np.stack(crossed_interval(fooled, who, what)), np.stack(participant_interval(fooled, who))
    for i, study in enumerate(fooled):
        np.testing.assert_allclose(both[:, i], crossed_interval(study, who, what))
        np.testing.assert_allclose(people[:, i], participant_interval(study, who))


@pytest.mark.parametrize(("answer", "people", "photographs"), [(0, 12, 30), (1, 12, 30), (0, 40, 9)])
def test_all_answers_alike(answer: int, people: int, photographs: int) -> None:
    who, what = np.divmod(np.arange(people * photographs), photographs)
    fewest = min(people, photographs)
    exact = stats.binomtest(answer * fewest, fewest).proportion_ci(0.95, "exact")
    assert crossed_interval(np.full(len(who), answer), who, what) == pytest.approx((exact.low, exact.high))


def test_one_participant_or_photograph_has_no_interval() -> None:
    fooled = np.array([0, 1, 1, 0])
    assert np.isnan(crossed_interval(fooled, [0, 0, 0, 0], [0, 1, 2, 3])).all()
    assert np.isnan(crossed_interval(fooled, [0, 1, 2, 3], [0, 0, 0, 0])).all()
    assert np.isnan(participant_interval(fooled, [0, 0, 0, 0])).all()
    with pytest.raises(ValueError, match=r"labels have shape \(3,\); expected \[4\]"):
        crossed_interval(fooled, [0, 1, 2], [0, 1, 2, 3])


def test_participant_interval_is_scipys_bootstrap() -> None:
    rng = np.random.default_rng(3)
    people, each = 25, 36
    fooled = (rng.random((people, each)) < rng.beta(3, 7, (people, 1))).astype(int)
    found = participant_interval(fooled.ravel(), np.repeat(np.arange(people), each))
    expected = stats.bootstrap(
        (fooled.mean(1),), np.mean, n_resamples=20000, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    assert found == pytest.approx((expected.low, expected.high), abs=0.006)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.05, 0.95), st.floats(0, 1.5), st.floats(0, 1.5))
def test_population_has_the_rate_it_says(rate: float, person: float, photograph: float) -> None:
    population = Population(rate, person, photograph)
    rng = np.random.default_rng(0)
    logits = population.mean + rng.normal(0, person, 200_000) + rng.normal(0, photograph, 200_000)
    assert (1 / (1 + np.exp(-logits))).mean() == pytest.approx(rate, abs=0.005)


def test_design_is_the_plans() -> None:
    who, what = design(30, 90)
    assert np.bincount(who).tolist() == [a_study().counted] * 30
    assert np.bincount(what).tolist() == [12] * 90
    assert len(set(zip(who.tolist(), what.tolist(), strict=True))) == len(who)  # nobody sees a photograph twice


@pytest.mark.parametrize(
    ("population", "photographs"),
    [
        (Population(0.1, 0.4, 0.7), 300),
        (Population(0.3, 0.8, 1.4), 300),
        (Population(0.3, 0.8, 1.4), 60),
        (Population(0.5, 0.4, 0.7), 60),
    ],
)
def test_crossed_interval_covers_the_truth(population: Population, photographs: int) -> None:
    found = coverage(population, participants=40, photographs=photographs, studies=STUDIES)["crossed"]
    assert 0.92 <= found.covered <= 0.97
    assert max(found.below, found.above) < 0.05  # misses on both sides, not on one


def test_interval_over_participants_alone_does_not() -> None:
    found = coverage(Population(0.3, 0.8, 1.4), participants=40, photographs=60, studies=STUDIES)
    assert found["participants"].covered < 0.85
    assert found["participants"].width < found["crossed"].width


def test_interval_over_participants_covers_where_photographs_are_alike() -> None:
    found = coverage(Population(0.3, 0.8, 0.0), participants=40, photographs=60, studies=STUDIES)
    assert 0.92 <= found["participants"].covered <= 0.97

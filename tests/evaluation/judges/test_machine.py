from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from photochrom.errors import DataError
from photochrom.evaluation.judges import machine as judging
from photochrom.evaluation.judges.machine import MIN_PHOTOGRAPHS, MOST_ERROR, judge, trustworthy
from photochrom.evaluation.results import Interval, JudgeScores


def noise(n: int, dimension: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, dimension)).astype(np.float32)


def test_the_same_features_cannot_be_told() -> None:
    scores = judge(noise(60), noise(60), seed=0)
    assert scores == JudgeScores(Interval(50, 50, 50), 60)


def test_what_is_far_apart_is_always_told() -> None:
    scores = judge(noise(60), noise(60, seed=1) + 20, seed=0)
    assert scores == JudgeScores(Interval(0, 0, 0), 60)


@pytest.mark.parametrize("shift", [0.5, 1.5, 3.0])
def test_two_gaussians_are_told_as_well_as_can_be(shift: float) -> None:
    """The best possible error is that of a threshold half-way; the interval is that of as many independent answers."""
    n = 3000
    real, coloured = noise(n), noise(n, seed=1)
    coloured[:, 0] += shift
    scores = judge(real, coloured, seed=0)
    best = 100 * norm.cdf(-shift / 2)
    assert scores.error.value == pytest.approx(best, abs=1.5)
    half_width = 1.96 * math.sqrt(best * (100 - best) / (2 * n))
    assert scores.error.low == pytest.approx(scores.error.value - half_width, abs=0.3 * half_width)
    assert scores.error.high == pytest.approx(scores.error.value + half_width, abs=0.3 * half_width)


def test_a_trace_that_only_a_pair_betrays_is_no_clue() -> None:
    """Every coloured twin is 0.1 deviations off: side by side always told, one at a time hardly ever."""
    real = noise(1000)
    scores = judge(real, real + np.array([0.1, 0, 0]), seed=0)
    assert scores.error.value == pytest.approx(100 * norm.cdf(-0.05), abs=3)


def test_photographs_are_judged_by_who_never_saw_them() -> None:
    """At even positions real is high, at odd ones low: who learnt from the one half is always wrong on the other."""
    side = np.where(np.arange(40) % 2, -5.0, 5.0)[:, None]
    assert judge(side + noise(40) / 10, -side + noise(40, seed=1) / 10, seed=0).error.value == 100


def test_nothing_is_learnt_by_heart() -> None:
    """Many features, no difference: who had seen the photographs would know them all."""
    scores = judge(noise(200, 500), noise(200, 500, seed=1), seed=0)
    assert 40 < scores.error.value < 60
    assert scores.error.low < scores.error.value < scores.error.high


def test_the_same_seed_gives_the_same_figures() -> None:
    real, coloured = noise(80), noise(80, seed=1) + 1
    first, again, other = (judge(real, coloured, seed=seed) for seed in (3, 3, 4))
    assert first == again
    assert first.error != other.error  # other folds, other resampled sets
    assert first.error.value == pytest.approx(other.error.value, abs=8)


def test_features_in_any_units() -> None:
    real, coloured = noise(100), noise(100, seed=1) + 1
    units = np.array([1e-3, 1.0, 1e4])
    scores, other = judge(real, coloured, seed=0), judge(real * units + units, coloured * units + units, seed=0)
    assert other.error.value == pytest.approx(scores.error.value, abs=1)
    flat = np.ones((100, 1))
    assert judge(np.hstack([real, flat]), np.hstack([coloured, flat]), seed=0).error.value == scores.error.value


def test_of_very_many_a_spread_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    real, coloured = noise(90), noise(90, seed=1) + 1
    monkeypatch.setattr(judging, "MOST_PHOTOGRAPHS", 30)
    scores = judge(real, coloured, seed=0)
    assert scores == judge(real[::3], coloured[::3], seed=0)
    assert scores.photographs == 30


def test_too_few_photographs_get_no_figure() -> None:
    few = MIN_PHOTOGRAPHS - 1
    scores = judge(noise(few), noise(few) + 20, seed=0)
    assert scores.photographs == few
    assert np.isnan([scores.error.value, scores.error.low, scores.error.high]).all()
    assert not trustworthy(scores)
    assert judge(noise(MIN_PHOTOGRAPHS), noise(MIN_PHOTOGRAPHS) + 20, seed=0).error.value == 0


@pytest.mark.parametrize(("error", "trusted"), [(0.0, True), (9.99, True), (MOST_ERROR, False), (50.0, False)])
def test_only_a_judge_that_tells_random_colours_is_trusted(error: float, trusted: bool) -> None:
    assert trustworthy(JudgeScores(Interval(error, error - 1, error + 1), 100)) == trusted


def test_refusals() -> None:
    with pytest.raises(DataError, match=r"shape \[30, 3\] and \[29, 3\]; expected \[n, D\] twice"):
        judge(noise(30), noise(29), seed=0)
    with pytest.raises(DataError, match="twice"):
        judge(noise(30)[0], noise(30)[0], seed=0)
    broken = noise(30)
    broken[7, 1] = np.nan
    with pytest.raises(DataError, match="not finite"):
        judge(noise(30), broken, seed=0)

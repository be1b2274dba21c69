from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from photochrom.errors import DataError
from photochrom.evaluation.judges.frechet import (
    MIN_PHOTOGRAPHS,
    Moments,
    distance_name,
    frechet_distance,
    reportable_distance,
)


def moments(features: np.ndarray) -> Moments:
    found = Moments(features.shape[1])
    found.add(features)
    return found


def cloud(seed: int, n: int = 60, dimension: int = 7) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, dimension)) @ rng.normal(size=(dimension, dimension)) + rng.normal(size=dimension)


def by_scipy(first: np.ndarray, second: np.ndarray) -> float:
    """The textbook's formula, with a general matrix square root."""
    one, two = np.cov(first.T), np.cov(second.T)
    root = scipy.linalg.sqrtm(one @ two)
    return float(((first.mean(0) - second.mean(0)) ** 2).sum() + np.trace(one + two - 2 * root.real))


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.integers(0, 1000))
def test_moments_of_parts_are_those_of_the_whole(sizes: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    parts = [rng.normal(loc=100, size=(n, 3)).astype(np.float32) for n in sizes]
    streamed, merged = Moments(3), Moments(3)
    for part in parts:
        streamed.add(part)
        merged.merge(moments(part))
    whole = np.concatenate(parts).astype(np.float64)
    assert streamed.count == merged.count == len(whole)
    if len(whole) < 2:
        with pytest.raises(DataError, match="expected at least 2"):
            _ = streamed.covariance
        return
    for found in (streamed, merged):
        np.testing.assert_allclose(found.mean, whole.mean(0), rtol=1e-12)
        np.testing.assert_allclose(found.covariance, np.cov(whole.T), rtol=1e-9, atol=1e-10)


def test_a_large_mean_costs_no_precision() -> None:
    values = cloud(0, 1000, 2)
    found = Moments(2)
    for part in np.split(values + 1e6, 10):
        found.add(part)
    np.testing.assert_allclose(found.covariance, np.cov(values.T), rtol=1e-7)  # sums of squares would keep 4 digits


def test_moments_are_stored_and_found_again(tmp_path: Path) -> None:
    found = moments(cloud(1))
    np.savez(tmp_path / "moments.npz", **found.to_arrays())
    with np.load(tmp_path / "moments.npz") as arrays:
        again = Moments.from_arrays(arrays)
    again.add(cloud(2))
    found.add(cloud(2))
    assert again.count == found.count == 120
    assert (again.mean == found.mean).all()
    assert (again.covariance == found.covariance).all()


def test_stored_arrays_are_no_longer_touched() -> None:
    found = moments(cloud(1))
    arrays = found.to_arrays()
    before = {key: value.copy() for key, value in arrays.items()}
    found.add(cloud(2))
    Moments.from_arrays(arrays).add(cloud(3))
    for key, value in before.items():
        assert (arrays[key] == value).all()


@pytest.mark.parametrize("seed", range(5))
def test_the_distance_is_scipys(seed: int) -> None:
    first, second = cloud(seed), cloud(seed + 100)
    expected = by_scipy(first, second)
    assert expected > 1
    assert frechet_distance(moments(first), moments(second)) == pytest.approx(expected, rel=1e-9)


def with_deviations(mean: list[float], deviations: list[float]) -> Moments:
    """Moments of independent features, exactly."""
    d = len(mean)
    scatter = np.diag(np.square(deviations)) * 9
    return Moments.from_arrays({"count": np.array(10), "mean": np.array(mean), "scatter": scatter.reshape(d, d)})


@given(
    st.lists(st.tuples(*[st.floats(-10, 10)] * 2, *[st.sampled_from([0.0, 0.1, 1.0, 3.0])] * 2), min_size=1, max_size=5)
)
def test_independent_features_have_a_closed_form(rows: list[tuple[float, float, float, float]]) -> None:
    mean1, mean2, deviation1, deviation2 = (list(column) for column in zip(*rows, strict=True))
    expected = sum((m - n) ** 2 + (s - t) ** 2 for m, n, s, t in rows)
    found = frechet_distance(with_deviations(mean1, deviation1), with_deviations(mean2, deviation2))
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 40), st.integers(1, 30))
def test_none_from_itself_and_the_same_both_ways(seed: int, n: int, dimension: int) -> None:
    first = moments(cloud(seed, n, dimension))  # often fewer photographs than features: a singular covariance
    second = moments(cloud(seed + 1, n + 3, dimension))
    size = np.trace(first.covariance) + np.trace(second.covariance)
    assert 0 <= frechet_distance(first, first) < 1e-10 * size
    there = frechet_distance(first, second)
    assert there == pytest.approx(frechet_distance(second, first), rel=1e-7)
    assert there > 0


def test_a_shift_adds_its_square_where_covariances_are_singular() -> None:
    values = cloud(3, n=10, dimension=200)  # rank 9
    shift = np.linspace(-1, 1, 200)
    found = frechet_distance(moments(values), moments(values + shift))
    assert found == pytest.approx((shift**2).sum(), rel=1e-8)


def test_few_photographs_get_no_figure() -> None:
    enough, few = cloud(0, MIN_PHOTOGRAPHS, 3), cloud(0, MIN_PHOTOGRAPHS - 1, 3)
    assert reportable_distance(moments(enough), moments(few)) is None
    assert reportable_distance(moments(few), moments(enough)) is None
    assert reportable_distance(moments(enough), moments(enough + 1)) == pytest.approx(3)


def test_few_photographs_seem_further_apart_than_they_are() -> None:
    """Why there is a least number: two samples of the very same cloud."""
    few, many = (
        frechet_distance(
            moments(np.random.default_rng(0).normal(size=(n, 40))),
            moments(np.random.default_rng(1).normal(size=(n, 40))),
        )
        for n in (100, 10_000)
    )
    assert few > 5
    assert many < few / 50


def test_the_name_is_not_fid() -> None:
    assert distance_name("EfficientNet-lite2") == "Frechet distance on EfficientNet-lite2's features"


def test_refusals() -> None:
    found = moments(cloud(0))
    with pytest.raises(DataError, match=r"shape \[4, 6\]; expected \[n, 7\]"):
        found.add(np.zeros((4, 6)))
    with pytest.raises(DataError, match="not finite"):
        found.add(np.full((4, 7), np.nan))
    with pytest.raises(DataError, match="6 dimensions; expected 7"):
        found.merge(Moments(6))
    with pytest.raises(DataError, match="7 and 6 dimensions"):
        frechet_distance(found, moments(cloud(0, dimension=6)))
    with pytest.raises(DataError, match="1 photographs"):
        frechet_distance(found, moments(cloud(0, n=1)))
    assert found.count == 60  # a refusal changes nothing
    arrays = found.to_arrays()
    with pytest.raises(DataError, match="lack scatter"):
        Moments.from_arrays({key: value for key, value in arrays.items() if key != "scatter"})
    with pytest.raises(DataError, match=r"scatter \[3\]"):
        Moments.from_arrays(arrays | {"scatter": np.zeros(3)})

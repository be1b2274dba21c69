"""The 313 bins against the published constants and against loops that follow the paper word for word."""

import hashlib
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from skimage import color, data

from photochrom import ab_bins

# sha256 of the bytes of the authors' pts_in_hull.npy, as int64 in C order.
PUBLISHED_CENTRES = "2a39983ed60d5b52b717842d56d5f766982289e6d5a609582155f437cecc1045"

colours = arrays.arrays(np.float64, st.tuples(st.integers(1, 6), st.just(2)), elements=st.floats(-128, 128))
distributions = arrays.arrays(np.float64, 313, elements=st.floats(1e-6, 1))


@pytest.fixture(scope="module")
def real_ab():
    return color.rgb2lab(data.astronaut()[::16, ::16])[..., 1:]


def brute_force_code(ab, k, sigma):
    squared = [(ab[0] - a) ** 2 + (ab[1] - b) ** 2 for a, b in ab_bins.CENTRES]
    nearest = sorted(range(313), key=lambda q: (squared[q], q))[:k]
    weights = [math.exp((squared[nearest[0]] - squared[q]) / (2 * sigma**2)) for q in nearest]
    return nearest, [w / sum(weights) for w in weights]


def test_centres_are_the_published_ones():
    assert ab_bins.CENTRES.dtype == np.int64
    assert hashlib.sha256(ab_bins.CENTRES.tobytes()).hexdigest() == PUBLISHED_CENTRES


@pytest.mark.parametrize(("k", "sigma"), [(5, 5.0), (10, 5.0), (1, 5.0), (5, 10.0)])
def test_soft_encoding_equals_brute_force_on_a_photograph(real_ab, k, sigma):
    code = ab_bins.soft_encode(real_ab, k, sigma)
    assert code.bins.shape == (*real_ab.shape[:-1], k)
    for place in np.ndindex(real_ab.shape[:-1]):
        bins, weights = brute_force_code(real_ab[place], k, sigma)
        assert code.bins[place].tolist() == bins
        np.testing.assert_allclose(code.weights[place], weights, atol=1e-6)


@given(colours)
def test_soft_encoding_equals_brute_force_anywhere(ab):
    code = ab_bins.soft_encode(ab)
    for i, colour in enumerate(ab):
        bins, weights = brute_force_code(colour, 5, 5.0)
        assert code.bins[i].tolist() == bins
        np.testing.assert_allclose(code.weights[i], weights, atol=1e-6)


@pytest.mark.parametrize("ab", [(5, 5), (0, 0), (-5, 15), (2.5, 2.5), (128, -128), (-128, 128)])
def test_ties_go_to_the_lowest_bin(ab):
    bins, _ = brute_force_code(ab, 5, 5.0)
    assert ab_bins.soft_encode(np.array(ab)).bins.tolist() == bins


@given(colours)
def test_a_soft_code_is_a_distribution(ab):
    full = ab_bins.dense(ab_bins.soft_encode(ab))
    assert (full >= 0).all()
    np.testing.assert_allclose(full.sum(-1), 1)
    assert ((full > 0).sum(-1) <= 5).all()


@pytest.mark.parametrize(
    ("ab", "k", "sigma", "message"),
    [([[0, 0]], 0, 5, "k is 0"), ([[0, 0]], 314, 5, "k is 314"), ([[0, 0]], 5, 0, "sigma is 0"),
     ([[0, 0, 0]], 5, 5, "shape"), ([[129, 0]], 5, 5, "129"), ([[math.nan, 0]], 5, 5, "nan")],
)  # fmt: skip
def test_soft_encoding_refuses_what_it_cannot_encode(ab, k, sigma, message):
    with pytest.raises(ValueError, match=message):
        ab_bins.soft_encode(np.array(ab, float), k, sigma)


def test_prior_is_the_mean_of_the_dense_codes(real_ab):
    expected = ab_bins.dense(ab_bins.soft_encode(real_ab)).reshape(-1, 313).mean(0)
    np.testing.assert_allclose(ab_bins.prior(real_ab), expected, atol=1e-12)


def test_smoothing_equals_brute_force(real_ab):
    p = ab_bins.prior(real_ab)
    expected = np.zeros(313)
    for source, mass in enumerate(p):
        squared = ((ab_bins.CENTRES - ab_bins.CENTRES[source]) ** 2).sum(1)
        kernel = np.exp(-squared / 50)
        expected += mass * kernel / kernel.sum()
    np.testing.assert_allclose(ab_bins.smooth_prior(p), expected, atol=1e-9)


@given(distributions, st.floats(0, 1))
def test_class_weights_follow_equation_4(p, lam):
    smoothed = ab_bins.smooth_prior(p)
    weights = ab_bins.class_weights(p, lam)
    np.testing.assert_allclose((smoothed * weights).sum(), 1)
    np.testing.assert_allclose(
        weights * ((1 - lam) * smoothed + lam / 313), weights[0] * ((1 - lam) * smoothed[0] + lam / 313)
    )


def test_class_weights_survive_bins_that_never_occur():
    p = np.zeros(313)
    p[150] = 1
    for lam in (0, 0.5, 1):
        weights = ab_bins.class_weights(p, lam)
        assert np.isfinite(weights).all() and (weights > 0).all()
    assert np.ptp(ab_bins.class_weights(p, 1)) < 1e-9


@pytest.mark.parametrize("p", [np.zeros(313), np.ones(312), -np.ones(313), np.full(313, np.nan)])
def test_class_weights_refuse_what_is_no_distribution(p):
    with pytest.raises(ValueError, match="prior"):
        ab_bins.class_weights(p)


@given(distributions, st.floats(0.05, 2))
def test_annealed_mean_equals_equation_5(z, temperature):
    z = z / z.sum()
    powers = [math.exp(math.log(value) / temperature) for value in z]
    expected = sum(p * c for p, c in zip(powers, ab_bins.CENTRES.astype(float), strict=True)) / sum(powers)
    np.testing.assert_allclose(ab_bins.annealed_mean(z, temperature), expected, atol=1e-6)


def test_annealed_mean_tends_to_the_mode_and_is_the_mean_at_1():
    z = np.random.default_rng(0).dirichlet(np.ones(313), 20)
    np.testing.assert_allclose(ab_bins.annealed_mean(z, 1e-5), ab_bins.mode(z), atol=1e-6)
    np.testing.assert_allclose(ab_bins.mean(z), z @ ab_bins.CENTRES, atol=1e-9)


def test_annealed_mean_of_one_certain_bin_is_its_centre():
    z = np.eye(313)[[0, 150, 312]]
    for temperature in (1e-3, 0.38, 1, 10):
        np.testing.assert_allclose(ab_bins.annealed_mean(z, temperature), ab_bins.CENTRES[[0, 150, 312]])


@pytest.mark.parametrize("temperature", [0, -1, math.nan, math.inf])
def test_annealed_mean_refuses_other_temperatures(temperature):
    with pytest.raises(ValueError, match="temperature"):
        ab_bins.annealed_mean(np.ones(313) / 313, temperature)

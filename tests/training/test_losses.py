"""The loss against a loop over pixels and bins."""

import math

import numpy as np
import pytest
import torch
from skimage import color, data

from photochrom import ab_bins
from photochrom.training.lab_torch import rgb_to_lab
from photochrom.training.losses import RebalancedCrossEntropy, RebalancedDistance, SoftTargets


@pytest.fixture(scope="module")
def ab():
    photographs = [data.astronaut()[100:108, 200:208], data.coffee()[200:208, 300:308]]
    return torch.from_numpy(np.stack([color.rgb2lab(p)[..., 1:] for p in photographs]).transpose(0, 3, 1, 2)).float()


@pytest.fixture(scope="module")
def prior():
    return ab_bins.prior(color.rgb2lab(data.astronaut()[::4, ::4])[..., 1:])


def test_lab_equals_scikit_image():
    rgb = data.coffee()
    found = rgb_to_lab(torch.from_numpy(rgb.transpose(2, 0, 1).copy())[None])[0].permute(1, 2, 0).numpy()
    assert np.abs(found - color.rgb2lab(rgb)).max() < 0.05


def test_lab_refuses_floats():
    with pytest.raises(TypeError, match="uint8"):
        rgb_to_lab(torch.zeros(1, 3, 4, 4))


@pytest.mark.parametrize(("k", "sigma"), [(5, 5.0), (10, 10.0), (1, 5.0)])
def test_soft_targets_equal_the_numpy_encoding(ab, k, sigma):
    bins, weights = SoftTargets(k, sigma)(ab)
    expected = ab_bins.soft_encode(ab.permute(0, 2, 3, 1).numpy(), k, sigma)
    assert (bins.permute(0, 2, 3, 1).numpy() == expected.bins).all()
    np.testing.assert_allclose(weights.permute(0, 2, 3, 1).numpy(), expected.weights, atol=1e-5)


@pytest.mark.parametrize("lam", [0.5, 1.0])
def test_loss_equals_a_loop_over_pixels_and_bins(ab, prior, lam):
    logits = torch.randn(2, 313, 8, 8, generator=torch.Generator().manual_seed(0))
    weights = ab_bins.class_weights(prior, lam)
    total = 0.0
    for n, y, x in np.ndindex(2, 8, 8):
        colour = ab[n, :, y, x].double().numpy()
        z = ab_bins.dense(ab_bins.soft_encode(colour))
        scores = logits[n, :, y, x].double().numpy()
        log_predicted = scores - math.log(np.exp(scores).sum())
        total -= weights[int(np.argmax(z))] * float((z * log_predicted).sum())
    assert float(RebalancedCrossEntropy(prior, lam)(logits, ab)) == pytest.approx(total / 128, rel=1e-5)


def test_near_grey_photographs_do_not_count(ab, prior):
    logits = torch.randn(2, 313, 8, 8)
    loss = RebalancedCrossEntropy(prior)
    grey = ab.clone()
    grey[1] = torch.rand(2, 8, 8) * 9.8 - 4.9
    assert float(loss(logits, grey)) == pytest.approx(float(loss(logits[:1], ab[:1])), rel=1e-5)
    assert float(loss(logits, torch.zeros_like(ab))) == 0


def test_the_true_distribution_has_the_least_loss(ab, prior):
    bins, weights = SoftTargets()(ab)
    best = torch.full((2, 313, 8, 8), -30.0).scatter(1, bins, weights.log())
    loss = RebalancedCrossEntropy(prior)
    least = loss(best, ab)
    for seed in range(5):
        noise = torch.randn(best.shape, generator=torch.Generator().manual_seed(seed))
        assert loss(best + noise, ab) > least


@pytest.mark.parametrize("lam", [0.05, 1.0])
def test_distance_equals_a_loop_over_pixels(ab, prior, lam):
    decoded = ab + torch.randn(ab.shape, generator=torch.Generator().manual_seed(0)) * 20
    weights = ab_bins.class_weights(prior, lam)
    expected = 0.0
    for true, found in zip(
        ab.permute(0, 2, 3, 1).reshape(-1, 2), decoded.permute(0, 2, 3, 1).reshape(-1, 2), strict=True
    ):
        nearest = ((ab_bins.CENTRES - true.numpy()) ** 2).sum(1).argmin()
        expected += weights[nearest] * math.hypot(*(found - true).tolist(), 1) / 100
    assert float(RebalancedDistance(prior, lam).summed(decoded, ab)) == pytest.approx(expected, rel=1e-4)


def test_distance_leaves_near_grey_photographs_out(ab, prior):
    assert float(RebalancedDistance(prior, 0.1).summed(ab + 10, ab * 0.01)) == 0

from __future__ import annotations

import numpy as np
import skimage.data
import torch
from scipy.ndimage import gaussian_filter
from skimage.color import rgb2lab

from photochrom.training.crops.sharpness import RADIUS, varied


def cat(count: int = 64) -> torch.Tensor:
    """L [count, 1, 96, 96] of the same crop."""
    lightness = rgb2lab(skimage.data.chelsea()[60:156, 180:276])[..., 0]
    return torch.from_numpy(lightness).float().expand(count, 1, 96, 96)


def generators(count: int = 64, seed: int = 0) -> list[np.random.Generator]:
    return [np.random.default_rng((seed, i)) for i in range(count)]


def detail(lightness: torch.Tensor) -> torch.Tensor:
    """[N] how strong what is finer than a pixel's blur is; by SciPy, in the middle."""
    fine = [each - gaussian_filter(each, 1.0) for each in lightness[:, 0].numpy()]
    return torch.tensor([each[8:-8, 8:-8].std() for each in fine])


def test_some_become_softer_and_some_sharper() -> None:
    change = detail(varied(cat(), 1.0, 0.0, generators())) / detail(cat())
    assert change.min() < 0.6
    assert change.max() > 1.3
    assert 0.25 < (change < 1).float().mean() < 0.75


def test_the_softest_is_a_gaussian_blur() -> None:
    class Softest(np.random.Generator):
        def random(self, size: int) -> np.ndarray:  # type: ignore[override]
            return np.zeros(size)  # all detail taken away, at the least radius

    found = varied(cat(1), 1.0, 0.0, [Softest(np.random.PCG64(0))])[0, 0]
    expected = gaussian_filter(cat(1)[0, 0].numpy(), RADIUS[0], mode="mirror")
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_noise_is_up_to_its_strength_and_means_nothing() -> None:
    grey = torch.full((256, 1, 48, 48), 50.0)
    deviation = varied(grey, 0.0, 4.0, generators(256)).std(dim=(1, 2, 3))
    assert 3 < deviation.max() <= 4.01
    assert 0.5 < deviation.median() < 1.6  # a quarter: mostly little
    assert abs(float(varied(grey, 0.0, 4.0, generators(256)).mean()) - 50) < 0.1


def test_stays_in_range() -> None:
    edges = torch.zeros(8, 1, 32, 32)
    edges[..., 16:] = 100
    found = varied(edges, 1.0, 5.0, generators(8))
    assert found.min() >= 0
    assert found.max() <= 100

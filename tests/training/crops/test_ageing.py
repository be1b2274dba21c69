from __future__ import annotations

import io

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage.color import rgb2lab

from photochrom.training.crops.ageing import TYPICAL, Faults, aged, random_faults
from photochrom.training.lab_torch import lightness_to_grey

NONE = Faults(0, 0, 0, 0, 0, 100, 1, 0, 100)


@pytest.fixture(scope="module")
def photos() -> torch.Tensor:
    """uint8 [2, 3, 256, 256] of a cat and a cup."""
    cat, cup = skimage.data.chelsea()[20:276, 100:356], skimage.data.coffee()[100:356, 200:456]
    return torch.from_numpy(np.stack([cat, cup])).permute(0, 3, 1, 2).contiguous()


def only(**faults: float) -> Faults:
    return Faults(**{**vars(NONE), **faults})


def prints(photos: torch.Tensor, faults: Faults, seed: int = 0) -> np.ndarray:
    """CIE L [N, H, W]."""
    random = [np.random.default_rng((seed, i)) for i in range(len(photos))]
    return aged(photos, [faults] * len(photos), random)[:, 0].numpy()


def lightness(photos: torch.Tensor) -> np.ndarray:
    """The same of the originals, by scikit-image."""
    return np.stack([rgb2lab(photo)[..., 0] for photo in photos.permute(0, 2, 3, 1).numpy()])


def test_without_faults_the_lightness_stays(photos: torch.Tensor) -> None:
    assert np.abs(prints(photos, NONE) - lightness(photos)).max() < 1  # JPEG at quality 100 rounds


def test_an_orthochromatic_plate_sees_red_dark_and_blue_light() -> None:
    colours = torch.tensor([[200, 30, 30], [30, 30, 200]], dtype=torch.uint8)[:, :, None, None].expand(2, 3, 16, 16)
    red, blue = prints(colours, only(orthochromatic=1)).mean((1, 2))
    true_red, true_blue = prints(colours, NONE).mean((1, 2))
    assert red < true_red - 15
    assert blue > true_blue + 15


def test_grey_is_grey_to_any_film() -> None:
    grey = torch.full((1, 3, 16, 16), 119, dtype=torch.uint8)
    np.testing.assert_allclose(prints(grey, only(orthochromatic=1)), prints(grey, NONE), atol=0.2)


def test_fading_takes_black_and_white_where_they_say(photos: torch.Tensor) -> None:
    faded = prints(photos, only(black=20, white=80, gamma=1.3))
    expected = 20 + 60 * (lightness(photos) / 100) ** 1.3
    assert np.abs(faded - expected).max() < 1


def test_blur_is_scipy_s(photos: torch.Tensor) -> None:
    # Light is blurred, not lightness.
    light = ((lightness(photos) + 16) / 116) ** 3
    expected = 116 * np.cbrt([gaussian_filter(each, 1.5, mode="mirror", truncate=3) for each in light]) - 16
    bright = lightness(photos) > 15  # below, L is no cube root
    assert np.abs(prints(photos, only(blur=1.5)) - expected)[bright].mean() < 0.3


def test_grain_has_the_strength_asked_for_in_middle_grey() -> None:
    grey = torch.full((1, 3, 256, 256), 119, dtype=torch.uint8)  # L 50
    assert prints(grey, only(grain=4)).std() == pytest.approx(4, rel=0.05)
    assert prints(grey, only(grain=4)).mean() == pytest.approx(50, abs=0.5)


def test_corners_darken(photos: torch.Tensor) -> None:
    dark = prints(photos, only(vignette=0.3)) - prints(photos, NONE)
    assert np.abs(dark[:, 120:136, 120:136]).max() < 1
    assert dark[:, :16, :16].mean() < -3


@pytest.mark.parametrize("quality", [40, 75, 95])
def test_a_scan_is_pillow_s_jpeg(photos: torch.Tensor, quality: int) -> None:
    before = lightness_to_grey(torch.from_numpy(lightness(photos)).float()[:, None])
    codes = (before[:, 0] * 255).round().byte().numpy()
    after = lightness_to_grey(torch.from_numpy(prints(photos, only(quality=quality)))[:, None])
    for code, ours in zip(codes, (after[:, 0] * 255).numpy(), strict=True):
        file = io.BytesIO()
        Image.fromarray(code).save(file, "jpeg", quality=quality)
        theirs = np.asarray(Image.open(file)).astype(float)
        assert np.abs(ours - theirs).mean() < 0.6 * np.abs(code - theirs).mean() + 0.5


def test_the_same_generator_gives_the_same_print(photos: torch.Tensor) -> None:
    np.testing.assert_array_equal(prints(photos, TYPICAL, seed=3), prints(photos, TYPICAL, seed=3))
    assert np.abs(prints(photos, TYPICAL, seed=3) - prints(photos, TYPICAL, seed=4)).mean() > 0.5


def test_any_shape_and_any_faults_stay_in_range() -> None:
    rgb = torch.randint(0, 256, (8, 3, 37, 53), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    random = [np.random.default_rng(i) for i in range(8)]
    found = aged(rgb, [random_faults(each) for each in random], random)
    assert found.shape == (8, 1, 37, 53)
    assert torch.isfinite(found).all()
    assert found.min() >= 0
    assert found.max() <= 100.1

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from skimage.transform import resize

from photochrom.colorizer import load
from photochrom.errors import SettingError
from photochrom.evaluation.photographs import list_photographs, read_whole
from photochrom.evaluation.systems import ModelSystem, Saturated, upsample


@pytest.mark.parametrize("size", [(256, 384), (97, 61), (16, 24)])
def test_upsample_is_scikit_image_s_bilinear(size: tuple[int, int]) -> None:
    field = np.random.default_rng(0).normal(0, 30, (16, 24, 2)).astype(np.float32)
    expected = resize(field, (*size, 2), order=1, mode="edge", anti_aliasing=False)
    np.testing.assert_allclose(upsample(field, *size, 16, 24), expected, atol=1e-3)


def test_upsample_of_a_map_that_reaches_beyond_the_photograph() -> None:
    """A ramp of 10 a cell stays a ramp where the photograph covers only 3.5 of 4 cells."""
    ramp = np.tile(10 * np.arange(4, dtype=np.float32)[None, :, None], (2, 1, 2))
    given = upsample(ramp, 2, 14, 2, 3.5)[0, :, 0]
    np.testing.assert_allclose(given, np.clip(10 * ((np.arange(14) + 0.5) / 4 - 0.5), 0, 30), atol=1e-5)


def test_model_colours_a_whole_photograph(photographs: Path, warm_model: Path) -> None:
    photograph = read_whole(list_photographs(photographs)[0])
    ab = ModelSystem("warm", load(warm_model)).ab(photograph)
    height, width = photograph.rgb.shape[:2]
    assert ab.shape == (height, width, 2)
    # The model gives (0.1, 0.2) of the lightness that it sees, 1/4 of 128 pixels fine.
    coarse = resize(photograph.lightness, (32, round(32 * width / height)), order=1, anti_aliasing=True)
    smooth = resize(coarse, (height, width), order=1, mode="edge")
    assert np.median(np.abs(ab - smooth[..., None] * (0.1, 0.2))) < 0.4  # but for a plain sky, which loses chroma
    assert np.abs(ab[..., 1] - 2 * ab[..., 0]).max() < 1e-3


def test_temperature_and_saturation(photographs: Path, warm_model: Path) -> None:
    photograph = read_whole(list_photographs(photographs)[0])
    colorizer = load(warm_model)
    own, warmer = ModelSystem("warm", colorizer), ModelSystem("warm", colorizer, 0.76)
    np.testing.assert_allclose(warmer.ab(photograph), 2 * own.ab(photograph), rtol=1e-5)
    half = Saturated(warmer, 0.5)
    np.testing.assert_allclose(half.ab(photograph), own.ab(photograph), rtol=1e-5)
    assert (own.name, warmer.name, half.name) == ("warm", "warm T=0.76", "warm T=0.76 S=0.5")
    assert "temperature 0.76" in half.note
    with pytest.raises(SettingError, match="saturation is nan"):
        Saturated(own, float("nan"))
    with pytest.raises(SettingError, match="saturation is -1"):
        Saturated(own, -1)


def test_saturations_share_one_prediction(photographs: Path, warm_model: Path) -> None:
    photograph = read_whole(list_photographs(photographs)[0])
    base = ModelSystem("warm", load(warm_model))
    assert base.ab(photograph) is base.ab(photograph)
    other = read_whole(list_photographs(photographs)[1])
    assert base.ab(other).shape[:2] == other.rgb.shape[:2]

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from skimage.color import rgb2lab

from photochrom.colorizer import load
from photochrom.evaluation.old_prints import OldPrint, old_print
from photochrom.evaluation.photographs import Photograph, list_photographs, read_crop
from photochrom.evaluation.systems import ModelSystem


@pytest.fixture
def photograph(photographs: Path) -> Photograph:
    return read_crop(list_photographs(photographs)[0], 256)


def test_a_print_is_grey_faded_and_always_the_same(photograph: Photograph) -> None:
    found = old_print(photograph)
    assert found.rgb.shape == photograph.rgb.shape
    assert (found.rgb == found.rgb[..., :1]).all()
    lightness = rgb2lab(found.rgb)[..., 0]
    darkest, lightest = np.percentile(lightness, (0.5, 99.5))
    assert 10 < darkest < lightest < 93  # black 15 and white 88, grain and stains apart
    np.testing.assert_array_equal(old_print(photograph).rgb, found.rgb)


def test_the_system_sees_the_print_and_nothing_of_the_photograph(photograph: Photograph, warm_model: Path) -> None:
    model = ModelSystem("warm", load(warm_model))
    old = OldPrint(model)
    assert old.name == "warm, old prints"
    assert old.fingerprint != model.fingerprint
    np.testing.assert_array_equal(old.ab(photograph), model.ab(old_print(photograph)))
    assert np.abs(old.ab(photograph) - model.ab(photograph)).mean() > 0.1

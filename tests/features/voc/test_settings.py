"""--set KEY=VALUE on the settings."""

from __future__ import annotations

import pytest

from photochrom.errors import SettingError
from photochrom.features.voc.settings import (
    ClassificationSettings,
    DetectionSettings,
    SegmentationSettings,
    changed,
)


def test_values_in_toml_syntax():
    settings = changed(ClassificationSettings(), ["steps=100", "lr=1e-2", "clip=5", "scales=[1, 1.5]"])
    assert (settings.steps, settings.lr, settings.clip, settings.scales) == (100, 0.01, 5.0, (1.0, 1.5))
    assert changed(SegmentationSettings(), ["mirror=true"]).mirror is True
    assert changed(DetectionSettings(), []) == DetectionSettings()


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("rate=1", "unknown key rate; expected one of: batch, "),
        ("lr", "expected KEY=VALUE"),
        ("steps=1.5", "expected int"),
        ("lr=fast", "expected float"),
        ("steps=true", "expected int"),
        ("scales=[1.0]", "expected 2 values"),
        ("batch=0", "batch is 0; expected at least 1"),
        ("dropout=1.5", "dropout is 1.5; expected 0 to 1"),
        ("size=100", "size is 100; expected a multiple of 32"),
    ],
)
def test_what_is_wrong_is_named(assignment, words):
    with pytest.raises(SettingError) as caught:
        changed(ClassificationSettings(), [assignment])
    assert words in str(caught.value)

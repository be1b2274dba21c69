from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from photochrom.color import rgb_to_lab
from photochrom.evaluation.baselines import Grey
from photochrom.evaluation.photographs import list_photographs, read_whole
from photochrom.evaluation.semantic import EfficientNetLite2, SemanticTally, merged

TABBY_CATS = {281, 282, 285}  # tabby, tiger cat, Egyptian cat


class Redness:
    """Surer of class 1 the redder a photograph is: log-probability (R - 255) / 100."""

    name = "redness"

    def __init__(self) -> None:
        self.batches: list[int] = []

    def log_probabilities(self, photographs: list[np.ndarray]) -> np.ndarray:
        self.batches.append(len(photographs))
        red = np.array([rgb[..., 0].mean() for rgb in photographs])
        results = np.full((len(photographs), 1000), -5.0, np.float32)
        results[:, 1] = (red - 255) / 100
        results[:, 2] = -1.0
        return results


def plain(red: int) -> np.ndarray:
    return np.full((8, 8, 3), (red, 0, 0), np.uint8)


def filled(coloured: list[int], classifier: Redness) -> SemanticTally:
    tally = SemanticTally(classifier, batch=4)
    for i, red in enumerate(coloured):
        tally.add("truth", plain(200 + i), 1)
        tally.add("grey", plain(100 + i), 1)
        tally.add("mine", plain(red), 1)
    return tally


def test_share_of_the_gap() -> None:
    classifier = Redness()
    tally = filled([125, 126, 127, 128, 129], classifier)  # a quarter of the way, each time
    scores = tally.scores("mine")
    assert scores.share.value == pytest.approx(25)
    assert (scores.share.low, scores.share.high) == pytest.approx((25, 25))  # paired: no photograph differs
    assert scores.log_probability.value == pytest.approx(-1.28)
    assert scores.top_1.value == 0  # class 2 has -1.0
    assert tally.scores("truth").top_1.value == 100
    assert tally.scores("truth").share.value == pytest.approx(100)
    assert tally.scores("grey").share.value == 0
    assert scores.photographs == 5
    assert sum(classifier.batches) == 15  # each picture once
    assert max(classifier.batches) == 4


def test_misleading_colours_have_a_negative_share() -> None:
    scores = filled([50, 60, 40, 55], Redness()).scores("mine", seed=1)
    assert scores.share.high < 0
    assert scores.share.low < scores.share.value < scores.share.high
    assert scores == filled([50, 60, 40, 55], Redness()).scores("mine", seed=1)


def test_no_gap_has_no_share() -> None:
    tally = SemanticTally(Redness())
    for system in ("truth", "grey", "mine"):
        tally.add(system, plain(10), 1)
    share = tally.scores("mine").share
    assert np.isnan([share.value, share.low, share.high]).all()


def test_merged_keeps_lightness(photographs: Path) -> None:
    photograph = read_whole(list_photographs(photographs)[0])
    ab = np.full((*photograph.rgb.shape[:2], 2), (15, -25), np.float32)
    for colours in (ab, np.zeros_like(ab)):
        change = rgb_to_lab(merged(photograph, colours) / 255)[..., 0] - photograph.lightness
        assert np.quantile(np.abs(change), 0.99) < 1
    grey = merged(photograph, Grey().ab(photograph))
    assert (grey == grey[..., :1]).all()
    assert np.abs(merged(photograph, photograph.ab).astype(int) - photograph.rgb).mean() < 1


def test_the_real_classifier_knows_a_cat(photographs: Path) -> None:
    cat = read_whole(photographs / "chelsea.png")
    coffee = read_whole(photographs / "coffee.png")
    results = EfficientNetLite2(threads=1).log_probabilities([cat.rgb, merged(cat, Grey().ab(cat)), coffee.rgb])
    assert results.shape == (3, 1000)
    np.testing.assert_allclose(np.exp(results).sum(1), 1, atol=1e-4)
    assert {int(results[0].argmax()), int(results[1].argmax())} <= TABBY_CATS
    assert set(np.argsort(results[2])[-3:]) & {504, 967, 925}  # coffee mug, espresso, consomme

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import rgb2lab

from photochrom.ab_bins import CENTRES
from photochrom.evaluation import bootstrap
from photochrom.evaluation.baselines import Truth
from photochrom.evaluation.colour import (
    SCALES,
    ColourTally,
    colourfulness,
    gain_index,
    inverse_frequency,
    pixel_score,
    rebalancing,
)
from photochrom.evaluation.photographs import Photograph, list_photographs, read_crop


def noise(seed: int) -> Photograph:
    return Photograph(f"noise-{seed}", np.random.default_rng(seed).integers(0, 256, (256, 256, 3), dtype=np.uint8))


def brute_force(photographs: list[Photograph], given: list[np.ndarray], scale: float) -> tuple[float, float]:
    """AuC and rebalanced AuC in %, straight from their definitions."""
    truth = np.concatenate([p.ab[::4, ::4].reshape(-1, 2) for p in photographs]).astype(np.float64)
    colours = np.concatenate([ab[::4, ::4].reshape(-1, 2) for ab in given]).astype(np.float64)
    error = np.sqrt(((colours * scale - truth) ** 2).sum(1))
    squared = ((truth[:, None, :] - CENTRES) ** 2).sum(-1)
    nearest = squared.argmin(1)
    weight = 1 / (np.bincount(nearest, minlength=313) / len(nearest))[nearest]
    curves = [((error <= t).mean(), (weight * (error <= t)).sum() / weight.sum()) for t in range(151)]
    plain, rebalanced = 100 * np.trapezoid(np.array(curves), axis=0) / 150
    return plain, rebalanced


@pytest.mark.parametrize("kind", ["real", "generated"])
def test_auc_equals_brute_force(photographs: Path, kind: str) -> None:
    if kind == "real":
        chosen = [read_crop(path, 256) for path in list_photographs(photographs)[:3]]
    else:
        chosen = [noise(seed) for seed in range(2)]
    rng = np.random.default_rng(1)
    given_colours = [(p.ab + rng.normal(0, 25, p.ab.shape)).astype(np.float32) for p in chosen]
    tally = ColourTally(rebalancing(chosen))
    for photograph, ab in zip(chosen, given_colours, strict=True):
        tally.add(photograph, ab)
    scores = tally.scores()
    plain, rebalanced = brute_force(chosen, given_colours, 1.0)
    assert scores.auc.value == pytest.approx(plain, abs=1e-6)
    assert scores.rebalanced_auc.value == pytest.approx(rebalanced, abs=1e-6)
    # gain@1, read at each scale by brute force
    figures = [brute_force(chosen, given_colours, scale) for scale in SCALES]
    best = max(i for i, (auc, _) in enumerate(figures) if auc >= figures[0][0] - 1)
    assert scores.gain_scale == SCALES[best]
    assert scores.gain_at_1.value == pytest.approx(figures[best][1] - figures[0][1], abs=1e-6)
    assert scores.auc.low <= scores.auc.value <= scores.auc.high


def test_truth_scores_100(photographs: Path) -> None:
    chosen = [read_crop(path, 256) for path in list_photographs(photographs)]
    tally = ColourTally(rebalancing(chosen))
    for photograph in chosen:
        tally.add(photograph, Truth().ab(photograph))
    scores = tally.scores()
    assert scores.auc.value == 100
    assert scores.rebalanced_auc.value == pytest.approx(100, abs=1e-9)
    assert scores.rmse_ab.value == 0
    assert scores.colourfulness.value == pytest.approx(scores.original_colourfulness.value, abs=0.1)
    assert scores.photographs == 6


def test_grey_by_hand_on_one_photograph(photographs: Path) -> None:
    photograph = read_crop(photographs / "chelsea.png", 256)
    tally = ColourTally(rebalancing([photograph]))
    tally.add(photograph, np.zeros_like(photograph.ab))
    scores = tally.scores()
    chroma = np.hypot(*np.moveaxis(rgb2lab(photograph.rgb)[::4, ::4, 1:], -1, 0)).ravel()
    shares = np.array([(chroma <= t).mean() for t in range(151)])
    assert scores.auc.value == pytest.approx(100 * (shares.sum() - shares[0] / 2 - shares[150] / 2) / 150, abs=0.02)
    assert scores.rmse_ab.value == pytest.approx(np.sqrt((chroma**2).mean()), abs=0.01)
    assert (scores.gain_at_1.value, scores.gain_scale) == (0, 1.5)
    assert scores.colourfulness.value < 0.2


@given(st.floats(0, 250))
def test_pixel_score_is_the_area_of_a_step(error: float) -> None:
    steps = [float(error <= t) for t in range(151)]
    assert pixel_score(error) == pytest.approx(np.trapezoid(steps) / 150, abs=1e-12)


def test_gain_index_on_constructed_curves() -> None:
    falling = 90 - 0.25 * np.arange(16)  # exactly 1 point lost at scale 0.4
    assert gain_index(falling) == 4
    assert gain_index(90 - 2.0 * np.arange(16)) == 0  # the smallest scale already loses too much: grey
    assert gain_index(np.full(16, 90.0)) == 15
    dip = np.full(16, 90.0)
    dip[5] = 80
    dip[12:] = 88.9
    assert gain_index(dip) == 11  # the largest that keeps the condition, whatever lies between
    assert gain_index(np.stack([falling, dip])).tolist() == [4, 11]


def test_gain_of_a_constructed_colouring() -> None:
    """Half the pixels grey, half of one colour; the colouring gives that colour everywhere."""
    photograph = noise(0)
    truth = np.zeros((256, 256, 2), np.float32)
    truth[:, 128:] = (40, 0)
    photograph.__dict__["lab"] = np.concatenate([np.full((256, 256, 1), 50, np.float32), truth], -1)
    tally = ColourTally(rebalancing([photograph]))
    tally.add(photograph, np.full((256, 256, 2), (40, 0), np.float32))
    scores = tally.scores()
    # Each half is its own bin, so both weigh the same and what one half gains the other loses.
    # At scales 0 and 1 the halves' errors are 0 and 40: (100 + 100 * 110.5 / 150) / 2. Between, two errors above 0.
    assert scores.auc.value == pytest.approx((100 + 100 * 110.5 / 150) / 2)
    assert scores.rebalanced_auc.value == pytest.approx(scores.auc.value)
    # Above 1 each 0.1 costs 4 units on the left half and 4 on the right: 1.5 would lose 40 / 150 of 100 / 2 twice.
    assert scores.gain_scale == 1.0
    assert scores.gain_at_1.value == pytest.approx(0)


def test_colours_that_never_occur_have_no_weight() -> None:
    weights = inverse_frequency(np.array([1.0, 3.0, 0.0]))
    assert weights.tolist() == pytest.approx([4, 4 / 3, 0])


def test_colourfulness_is_the_signed_one() -> None:
    # Pure red: rg = 255, yb = 127.5 everywhere, no deviation.
    assert colourfulness(np.tile([255, 0, 0], (10, 1))) == pytest.approx(0.3 * np.hypot(255, 127.5))
    # Red and green in equal parts: the signed means cancel in rg, the unsigned would not.
    both = np.tile([[255, 0, 0], [0, 255, 0]], (5, 1))
    assert colourfulness(both) == pytest.approx(255 + 0.3 * 127.5)
    assert colourfulness(np.full((4, 4, 3), 77)) == 0


def test_bootstrap_is_deterministic_and_paired() -> None:
    values = np.random.default_rng(0).normal(size=40)

    def mean(counts: np.ndarray) -> np.ndarray:
        return counts @ values / counts.sum(1)

    low, high = bootstrap.interval(mean, 40, seed=3)
    again = bootstrap.interval(mean, 40, seed=3)
    assert (low, high) == again
    assert (low, high) != bootstrap.interval(mean, 40, seed=4)
    assert low < values.mean() < high
    # About 1.96 standard errors to each side.
    assert (high - low) == pytest.approx(2 * 1.96 * values.std() / np.sqrt(40), rel=0.1)
    for counts in bootstrap.resample_counts(40, 100):
        assert (counts.sum(1) == 40).all()

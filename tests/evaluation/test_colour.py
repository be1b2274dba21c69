from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import rgb2lab
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from photochrom.ab_bins import CENTRES
from photochrom.evaluation import bootstrap
from photochrom.evaluation.baselines import Truth
from photochrom.evaluation.colour import (
    POOLED,
    SCALES,
    ColourTally,
    ab_cells,
    absolute_colourfulness,
    colour_row,
    colourfulness,
    gain_index,
    inverse_frequency,
    pixel_score,
    rebalancing,
)
from photochrom.evaluation.judges.semantic import merged
from photochrom.evaluation.photographs import Photograph, list_photographs, read_crop
from photochrom.evaluation.rows import stacked


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
    tally = ColourTally.of(zip(chosen, given_colours, strict=True), rebalancing(chosen))
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


def test_five_photographs_by_brute_force(photographs: Path) -> None:
    """Five real photographs in colours that are wrong in several ways: shifted, faded, another's."""
    chosen = [read_crop(path, 256) for path in list_photographs(photographs)[:5]]
    changes = [lambda ab: ab + 7, lambda ab: ab * 0.4, lambda ab: ab[::-1], lambda ab: -ab, lambda ab: ab * 0]
    colours = [np.float32(change(p.ab)) for p, change in zip(chosen, changes, strict=True)]
    tally = ColourTally.of(zip(chosen, colours, strict=True), rebalancing(chosen))
    plain, rebalanced = brute_force(chosen, colours, 1.0)
    scores = tally.scores()
    assert scores.auc.value == pytest.approx(plain, abs=1e-6)
    assert scores.rebalanced_auc.value == pytest.approx(rebalanced, abs=1e-6)
    # The curves have these areas, and each photograph's own figures are those of it alone, at the set's weights.
    areas = 100 * np.trapezoid(tally.curves(), axis=1) / 150
    np.testing.assert_allclose(areas, [plain, rebalanced], atol=1e-9)
    auc, gain = tally.by_photograph()
    for i, (photograph, ab) in enumerate(zip(chosen, colours, strict=True)):
        alone, _ = brute_force([photograph], [ab], 1.0)
        assert auc[i] == pytest.approx(alone, abs=1e-6)
    assert gain[4] == pytest.approx(0, abs=1e-9)  # grey against grey


def test_psnr_and_ssim_are_scikit_image_s(photographs: Path) -> None:
    chosen = [read_crop(path, 256) for path in list_photographs(photographs)[:3]]
    colours = [np.float32(p.ab * 0.5) for p in chosen]
    scores = ColourTally.of(zip(chosen, colours, strict=True), rebalancing(chosen)).scores()
    pictures = [(p.rgb, merged(p, ab)) for p, ab in zip(chosen, colours, strict=True)]
    psnr = [peak_signal_noise_ratio(rgb, shown) for rgb, shown in pictures]
    ssim = [structural_similarity(rgb, shown, channel_axis=2) for rgb, shown in pictures]
    assert scores.psnr.value == pytest.approx(np.mean(psnr), abs=1e-9)
    assert scores.ssim.value == pytest.approx(np.mean(ssim), abs=1e-9)
    by_hand = [10 * np.log10(255**2 / ((rgb - shown.astype(float)) ** 2).mean()) for rgb, shown in pictures]
    assert scores.psnr.value == pytest.approx(np.mean(by_hand), abs=1e-9)


def test_both_colourfulnesses_by_hand() -> None:
    rgb = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [90, 90, 90]])
    rg, yb = np.array([255, -255, 0, 0]), np.array([127.5, 127.5, -255, 0])
    signed = np.sqrt(rg.var() + yb.var()) + 0.3 * np.sqrt(rg.mean() ** 2 + yb.mean() ** 2)
    rg, yb = abs(rg), abs(yb)
    absolute = np.sqrt(rg.var() + yb.var()) + 0.3 * np.sqrt(rg.mean() ** 2 + yb.mean() ** 2)
    assert colourfulness(rgb) == pytest.approx(signed)
    assert absolute_colourfulness(rgb) == pytest.approx(absolute)


def test_cells_of_the_ab_plane() -> None:
    cells = ab_cells(np.array([[0.0, 0.0], [3.9, 0.0], [-0.1, 127], [-400, 400]]))
    assert cells.sum() == 4
    assert (cells[32, 32], cells[31, 63], cells[0, 63]) == (2, 1, 1)


def test_a_photograph_without_colours_counts_nowhere(photographs: Path) -> None:
    """A system that failed on one has a row of zeros there: its figures are those of the others."""
    chosen = [read_crop(path, 256) for path in list_photographs(photographs)[:3]]
    weights = rebalancing(chosen)
    rows = [colour_row(p, p.ab * 0.5, weights) for p in chosen]
    with_failure = stacked([rows[0], None, rows[2]], POOLED)
    without = stacked([rows[0], rows[2]], POOLED)
    assert with_failure is not None and without is not None
    failing, others = ColourTally(with_failure), ColourTally(without)
    for name in ("auc", "rebalanced_auc", "gain_at_1", "psnr", "colourfulness"):
        assert getattr(failing.scores(), name).value == pytest.approx(getattr(others.scores(), name).value)
    assert failing.scores().photographs == 2
    assert np.isnan(failing.by_photograph()[0][1])


def test_truth_scores_100(photographs: Path) -> None:
    chosen = [read_crop(path, 256) for path in list_photographs(photographs)]
    tally = ColourTally.of(((photograph, Truth().ab(photograph)) for photograph in chosen), rebalancing(chosen))
    scores = tally.scores()
    assert scores.auc.value == 100
    assert scores.rebalanced_auc.value == pytest.approx(100, abs=1e-9)
    assert scores.rmse_ab.value == 0
    assert scores.colourfulness.value == pytest.approx(scores.original_colourfulness.value, abs=0.1)
    assert scores.photographs == 6


def test_grey_by_hand_on_one_photograph(photographs: Path) -> None:
    photograph = read_crop(photographs / "chelsea.png", 256)
    tally = ColourTally.of([(photograph, np.zeros_like(photograph.ab))], rebalancing([photograph]))
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
    tally = ColourTally.of([(photograph, np.full((256, 256, 2), (40, 0), np.float32))], rebalancing([photograph]))
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

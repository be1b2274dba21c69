from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import pyvips
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from photochrom.colorizer import load
from photochrom.evaluation.judges.semantic import merged
from photochrom.evaluation.photographs import list_photographs, read_crop
from photochrom.evaluation.report.gallery import GROUPS, chosen, chosen_of, gallery
from photochrom.evaluation.report.thumbnails import SIDE
from photochrom.evaluation.systems import ModelSystem

from ..example import bins_model, evaluate

GAINS = hnp.arrays(np.float64, st.integers(1, 40), elements=st.floats(-30, 30) | st.just(float("nan")))


@given(GAINS, st.integers(0, 100))
def test_chosen(gains: np.ndarray, seed: int) -> None:
    groups = chosen(gains, seed)
    known = gains[np.isfinite(gains)]
    assert set(groups) <= set(GROUPS) and all(groups.values())
    assert bool(groups) == bool(len(known))
    for indices in groups.values():
        assert len(indices) == len(set(indices)) <= 3 and np.isfinite(gains[indices]).all()
    if "best" in groups:
        assert gains[groups["best"][0]] == known.max()
        assert (np.diff(gains[groups["best"]]) <= 0).all()
    if "worst" in groups:
        assert gains[groups["worst"][0]] == known.min()
    ranked = [index for name in ("best", "worst", "median") for index in groups.get(name, [])]
    assert len(ranked) == len(set(ranked))
    if "median" in groups:
        middle = np.median(known)
        assert gains[groups["median"]].min() <= middle <= gains[groups["median"]].max() or len(known) % 2 == 0


def test_random_ones_are_shared_by_systems_and_change_with_the_seed() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 60))
    assert chosen(first)["random"] == chosen(second)["random"]
    assert len({tuple(chosen(first, seed)["random"]) for seed in range(8)}) == 8
    drawn = np.concatenate([chosen(first, seed)["random"] for seed in range(400)])
    assert np.bincount(drawn, minlength=60).max() < 50  # 20 expected of each


def test_pictures_of_a_gallery(photographs: Path, tmp_path: Path) -> None:
    names = [path.name for path in list_photographs(photographs)]
    system = ModelSystem("bins", load(bins_model(tmp_path / "bins.onnx"), threads=1))
    evaluation = evaluate(photographs, names, [system])
    result = replace(evaluation.systems[0], failed={"coffee.png": "it broke"})
    groups = chosen_of(evaluation, result)
    steps: list[None] = []
    shown = gallery(
        evaluation, result, system, groups, lambda name: read_crop(photographs / name, 256), lambda: steps.append(None)
    )
    assert len(steps) == len({index for indices in groups.values() for index in indices})
    assert list(shown) == list(GROUPS)
    examples = {each.photograph: each for group in shown.values() for each in group}
    assert "coffee.png" not in examples
    assert shown["best"][0].gain == max(np.delete(result.photo_gain, names.index("coffee.png")))
    each = shown["best"][0]
    assert each.gain == result.photo_gain[names.index(each.photograph)]
    assert each.entropy is not None and each.entropy.shape == (16, 16) and each.entropy.max() < np.log(313)
    photograph = read_crop(photographs / each.photograph, 256)
    for picture, rgb in ((each.coloured, merged(photograph, system.ab(photograph))), (each.original, photograph.rgb)):
        seen = pyvips.Image.new_from_buffer(picture, "").numpy().astype(float)
        exact = pyvips.Image.new_from_array(rgb).resize(SIDE / 256).numpy()
        assert np.abs(seen - exact).mean() < 8
    grey = pyvips.Image.new_from_buffer(each.grey, "").numpy()
    assert np.ptp(grey.astype(int), axis=-1).max() <= 6  # WebP's own rounding


def test_without_a_distribution_there_is_no_entropy(photographs: Path, warm_model: Path) -> None:
    system = ModelSystem("warm", load(warm_model, threads=1))
    evaluation = evaluate(photographs, ["coffee.png"], [system])
    what = (evaluation, evaluation.systems[0], system, chosen_of(evaluation, evaluation.systems[0]))
    shown = gallery(*what, lambda name: read_crop(photographs / name, 256), lambda: None)
    assert list(shown) == ["best"] and shown["best"][0].entropy is None
    assert gallery(*what, lambda name: None, lambda: None) == {}
    assert pytest.approx(shown["best"][0].gain) == evaluation.systems[0].photo_gain[0]

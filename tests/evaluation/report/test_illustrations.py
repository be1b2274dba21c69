from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from photochrom.colorizer import load
from photochrom.errors import DataError
from photochrom.evaluation.baselines import Grey, Truth
from photochrom.evaluation.photographs import list_photographs
from photochrom.evaluation.report.illustrations import Illustrations, illustrate
from photochrom.evaluation.systems import ModelSystem, Saturated

from ..example import bins_model, evaluate


def test_illustrations_are_bounded_and_pass_over_what_is_missing(photographs: Path, tmp_path: Path) -> None:
    names = [path.name for path in list_photographs(photographs)]
    systems = [Grey(), ModelSystem("bins", load(bins_model(tmp_path / "bins.onnx"), threads=1))]
    evaluation = evaluate(photographs, names, systems)
    evaluation = replace(evaluation, names=["gone.png" if name == "flower.png" else name for name in names])
    bins = replace(evaluation.systems[1], failed={"coffee.png": "it broke"})
    evaluation = replace(evaluation, systems=[evaluation.systems[0], bins])
    steps: list[tuple[str, int, int]] = []
    made = illustrate(evaluation, systems, photographs, progress=lambda *step: steps.append(step), sweep_photographs=3)
    assert made.sweeps is not None and made.sweeps.photographs in (2, 3)  # one of those drawn may be gone
    assert made.multimodal_photographs == 5 and list(made.multimodal) == ["bins"]
    assert list(made.gallery) == ["bins"]
    shown = {each.photograph for group in made.gallery["bins"].values() for each in group}
    shown |= {pixel.photograph for pixel in made.multimodal["bins"]}
    assert shown <= set(names) - {"coffee.png", "flower.png"}
    for what in ("temperatures", "multimodal pixels", "gallery"):
        counted = [done for name, done, _ in steps if name == what]
        totals = {total for name, _, total in steps if name == what}
        assert counted == sorted(counted) and len(totals) == 1 and counted[-1] == max(totals)


def test_systems_that_share_a_network(photographs: Path, tmp_path: Path, warm_model: Path) -> None:
    """Other temperatures and saturations have the same distributions; a network without any has no twin."""
    colorizer = load(bins_model(tmp_path / "bins.onnx"), threads=1)
    cold, hot = ModelSystem("bins", colorizer, 0.38), ModelSystem("bins", colorizer, 1.0)
    systems = [cold, hot, Saturated(cold, 0.5), ModelSystem("warm", load(warm_model, threads=1))]
    evaluation = evaluate(photographs, ["coffee.png"], systems)
    made = illustrate(evaluation, systems, photographs, sweep_photographs=0)
    assert list(made.multimodal) == ["bins T=0.38"]
    assert made.same_distribution == {"bins T=1": "bins T=0.38", "bins T=0.38 S=0.5": "bins T=0.38"}


def test_without_models_there_is_nothing(photographs: Path) -> None:
    evaluation = evaluate(photographs, ["coffee.png"], [Grey(), Truth()])
    assert illustrate(evaluation, [Grey(), Truth()], photographs) == Illustrations()


def test_other_systems_than_those_evaluated(photographs: Path) -> None:
    evaluation = evaluate(photographs, ["coffee.png"], [Grey(), Truth()])
    with pytest.raises(DataError, match="systems are truth; expected those of the evaluation, in order: grey, truth"):
        illustrate(evaluation, [Truth()], photographs)


def test_parts_that_are_not_asked_for(photographs: Path, tmp_path: Path) -> None:
    system = ModelSystem("bins", load(bins_model(tmp_path / "bins.onnx"), threads=1))
    evaluation = evaluate(photographs, ["coffee.png"], [system])
    made = illustrate(evaluation, [system], photographs, sweep_photographs=0, multimodal_photographs=0)
    assert made.sweeps is None and made.multimodal == {} and list(made.gallery) == ["bins"]

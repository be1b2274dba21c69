from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from photochrom.ab_bins import CENTRES, Q
from photochrom.colorizer import load
from photochrom.evaluation.photographs import Photograph, list_photographs, read_crop
from photochrom.evaluation.report.model_view import views
from photochrom.evaluation.report.multimodal import KEPT, clearest, most_multimodal
from photochrom.evaluation.systems import ModelSystem, Saturated

from ..example import BLUE, RED, bins_model


def certain(height: int, width: int) -> NDArray[np.float32]:
    p = np.zeros((Q, height, width), np.float32)
    p[int((CENTRES == (0, 0)).all(1).argmax())] = 1
    return p


def split(p: NDArray[np.float32], rows: slice, columns: slice, share: float) -> None:
    p[:, rows, columns] = 0
    for colour, part in ((RED, 1 - share), (BLUE, share)):
        p[int((colour == CENTRES).all(1).argmax()), rows, columns] = part


def test_a_surface_wins_over_an_edge_and_over_the_border() -> None:
    p = certain(32, 40)
    split(p, slice(0, 2), slice(0, 40), 0.5)  # along the border
    split(p, slice(16, 17), slice(4, 36), 0.5)  # between two surfaces: one cell wide
    split(p, slice(20, 28), slice(20, 30), 0.4)
    row, column, bimodality = clearest(p, 32, 40)
    assert 22 <= row < 26 and 22 <= column < 28
    assert bimodality == pytest.approx(0.4, abs=1e-6)


def test_what_lies_beyond_the_photograph_does_not_count() -> None:
    p = certain(32, 32)
    split(p, slice(0, 32), slice(16, 32), 0.5)  # padding: the photograph covers 15.5 columns
    assert clearest(p, 32, 15.5)[2] <= 0


def test_tiny_maps() -> None:
    p = certain(1, 1)
    split(p, slice(None), slice(None), 0.3)
    assert clearest(p, 0.6, 0.6) == (0, 0, pytest.approx(0.3, abs=1e-6))


def test_most_multimodal_pixels_of_photographs(photographs: Path, tmp_path: Path, warm_model: Path) -> None:
    colorizer = load(bins_model(tmp_path / "bins.onnx"), threads=1)
    base = ModelSystem("bins", colorizer)
    networks = views([base, Saturated(base, 0.5), ModelSystem("warm", load(warm_model, threads=1))])
    names = [path.name for path in list_photographs(photographs)]

    def read(name: str) -> Photograph | None:
        return None if name == "coffee.png" else read_crop(photographs / name, 256)

    steps: list[None] = []
    found = most_multimodal(networks, names, read, lambda: steps.append(None))
    assert list(found) == ["bins"] and len(steps) == len(names)  # the saturated one has the same distribution
    pixels = found["bins"]
    shown = [pixel.photograph for pixel in pixels]
    assert len(shown) == len(set(shown)) == KEPT and "coffee.png" not in shown
    assert [p.bimodality for p in pixels] == sorted((p.bimodality for p in pixels), reverse=True)
    for pixel in pixels:
        assert {pixel.first, pixel.second} == {RED, BLUE}
        assert 35 < pixel.lightness < 65  # there the model cannot decide
        assert pixel.probabilities.shape == (Q,) and pixel.probabilities.sum() == pytest.approx(1, abs=1e-4)
        assert pixel.first_mass + pixel.second_mass == pytest.approx(1, abs=0.05)
        assert pixel.second_mass >= pixel.bimodality > 0.1


def test_certain_models_have_none(photographs: Path, model_builder, tmp_path: Path) -> None:
    sure = load(model_builder(tmp_path / "sure.onnx", probabilities=True), threads=1)
    networks = views([ModelSystem("sure", sure)])
    found = most_multimodal(networks, ["coffee.png"], lambda name: read_crop(photographs / name, 256), lambda: None)
    assert found == {"sure": ()}

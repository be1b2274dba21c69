"""Whether a temperature is folded in: networks whose temperature is known are measured to have it."""

import json

import numpy as np
import onnxruntime
import pytest
import skimage.data
import torch
from PIL import Image
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from photochrom import ab_bins
from photochrom.errors import DataError
from photochrom.foreign.temperature import FOLDED, Cells, fit, folder_photographs, measure, sample_photographs
from photochrom.models import WEIGHTS

LEVELS = 8  # of lightness


def table_network(weighted: bool) -> list[Cells]:
    """The best that one can say of a colour from its lightness alone, on four photographs: logits whose softmax is the
    mean true distribution at each of a few levels of lightness. By that it has the least cross-entropy at T = 1 exactly
    (its slope in 1 / T is the difference of two equal means); with `weighted`, the least rebalanced cross-entropy."""
    photographs = sample_photographs()
    codes = [ab_bins.soft_encode(p.ab[::16, ::16].reshape(-1, 2)) for p in photographs]
    levels = [(p.lightness[::16, ::16].ravel() / (100.001 / LEVELS)).astype(int) for p in photographs]
    dense = np.concatenate([ab_bins.dense(code) for code in codes])
    weights = np.ones(len(dense))
    if weighted:
        nearest = np.concatenate([code.bins[:, 0] for code in codes])
        weights = ab_bins.class_weights(dense.mean(0))[nearest]
    table = np.full((LEVELS, 313), 1e-9)
    np.add.at(table, np.concatenate(levels), weights[:, None] * dense)
    logits = np.log(table / table.sum(1, keepdims=True))
    return [Cells(logits[level], *code) for level, code in zip(levels, codes, strict=True)]


def scaled(cells: list[Cells], factor: float) -> list[Cells]:
    return [c._replace(logits=c.logits * factor) for c in cells]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("folded", "decision"), [(1.0, "not folded"), (FOLDED, "folded"), (1 / FOLDED, "folded")])
def test_a_known_temperature_is_found(weighted, folded, decision):
    measured = fit(scaled(table_network(weighted), folded))
    exact = measured.rebalanced if weighted else measured.plain
    assert exact.temperature == pytest.approx(folded, rel=1e-3)
    assert measured.decision == decision
    assert measured.factor == pytest.approx(1 / folded)
    assert min(exact.at_candidates) == pytest.approx(exact.cross_entropy, abs=1e-5)


def test_the_minimum_is_the_one_that_a_search_finds():
    cells = table_network(False)
    noise = np.random.default_rng(0).normal(0, 1, 313)
    cells = [c._replace(logits=c.logits + noise) for c in cells]
    logits = np.concatenate([c.logits for c in cells])
    truth = np.concatenate([ab_bins.dense(ab_bins.SoftCode(c.bins, c.weights)) for c in cells])
    weights = ab_bins.class_weights(truth.mean(0))[np.concatenate([c.bins[:, 0] for c in cells])]

    def cross_entropy(temperature, by=None):
        return np.average(-(truth * log_softmax(logits / temperature, axis=1)).sum(1), weights=by)

    measured = fit(cells)
    for found, by in ((measured.plain, None), (measured.rebalanced, weights)):
        expected = minimize_scalar(cross_entropy, bounds=(0.1, 10), args=(by,), method="bounded")
        assert found.temperature == pytest.approx(expected.x, rel=1e-3)
        assert found.cross_entropy == pytest.approx(expected.fun, rel=1e-6)
        assert found.at_candidates[1] == pytest.approx(cross_entropy(1, by), rel=1e-9)


def test_logits_that_say_nothing_leave_it_undecided():
    random = np.random.default_rng(0)
    wrong = [c._replace(logits=random.normal(0, 3, c.logits.shape)) for c in table_network(False)]
    opposite = scaled(table_network(False), -1)
    for cells in (wrong, opposite):
        measured = fit(cells)
        assert (measured.decision, measured.factor) == ("undecided", 1.0)
        assert "undecided" in str(measured)
    assert fit(opposite).to_dict()["plain"]["temperature"] is None
    json.dumps(fit(opposite).to_dict(), allow_nan=False)


def test_a_minimum_by_chance_is_not_taken_for_a_sign():
    """Noise with a trace of the truth has its least cross-entropy at some T; here at 1."""
    random = np.random.default_rng(0)
    faint = [c._replace(logits=0.03 * c.logits + random.normal(0, 3, c.logits.shape)) for c in table_network(False)]
    measured = fit(scaled(faint, 1 / fit(faint).plain.temperature))
    assert measured.plain.temperature == pytest.approx(1, rel=1e-3)
    assert measured.rebalanced.temperature == pytest.approx(1, rel=0.5)
    assert measured.decision == "undecided"


class Lite(torch.nn.Module):
    """The bundled model's logits, times a factor. It was trained with class weights and nothing folded in."""

    stride = 4

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor
        self.session = onnxruntime.InferenceSession(WEIGHTS / "lite.onnx", providers=["CPUExecutionProvider"])

    def forward(self, lightness):
        feed = {"lightness": lightness.numpy(), "temperature": np.float32([1])}
        (probabilities,) = self.session.run(["probabilities"], feed)
        return self.factor * torch.from_numpy(probabilities).clamp(min=1e-12).log()


@pytest.mark.parametrize(("folded", "decision"), [(1.0, "not folded"), (FOLDED, "folded"), (1 / FOLDED, "folded")])
def test_a_real_network(folded, decision):
    measured = measure(Lite(folded), sample_photographs())
    assert (measured.decision, measured.photographs) == (decision, 4)
    assert measured.factor == pytest.approx(1 / folded)


def test_photographs_of_a_folder(tmp_path):
    with pytest.raises(DataError, match="no photographs found"):
        folder_photographs(tmp_path)
    Image.fromarray(skimage.data.camera()).save(tmp_path / "grey.png")
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut short")
    with pytest.raises(DataError, match="no colour photograph"):
        folder_photographs(tmp_path)
    Image.fromarray(skimage.data.coffee()).save(tmp_path / "coffee.png")
    (photograph,) = folder_photographs(tmp_path)
    assert photograph.name == "coffee.png" and photograph.rgb.shape == (256, 256, 3)

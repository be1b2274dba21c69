"""An evaluation of real photographs, its figures computed here straight from their definitions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from photochrom.ab_bins import CENTRES
from photochrom.evaluation.judges.semantic import merged
from photochrom.evaluation.photographs import Photograph, read_crop
from photochrom.evaluation.results import (
    ColourScores,
    Cost,
    Evaluation,
    Interval,
    JudgeScores,
    SemanticScores,
    SystemResult,
)
from photochrom.evaluation.systems import System

EDGES = np.arange(-128, 129, 4)
RED, BLUE = (60, 40), (10, -60)  # of bins_model


def every_fourth(field: NDArray) -> NDArray:
    return field[::4, ::4].reshape(-1, field.shape[-1])


def around(value: float) -> Interval:
    """A figure with some interval: these tests are about how it is shown."""
    return Interval(value, value - 0.4, value + 0.5)


def vividness(rgb: NDArray, absolute: bool = False) -> float:
    r, g, b = np.moveaxis(rgb.astype(np.float64), -1, 0)
    first, second = r - g, (r + g) / 2 - b
    if absolute:
        first, second = np.abs(first), np.abs(second)
    return float(np.hypot(first.std(), second.std()) + 0.3 * np.hypot(first.mean(), second.mean()))


def evaluate(folder: Path, names: Sequence[str], systems: Sequence[System], **changes: object) -> Evaluation:
    """Of systems on photographs of a folder. Curves, counts, AuC, RMSE and colourfulness are measured; what needs a
    bootstrap, a classifier or a clock is made up. changes: other fields of the evaluation."""
    photographs = [read_crop(folder / name, 256) for name in names]
    truths = [every_fourth(photograph.ab) for photograph in photographs]
    nearest = [((truth[:, None] - CENTRES) ** 2).sum(-1).argmin(1) for truth in truths]
    frequency = np.bincount(np.concatenate(nearest), minlength=313) / sum(map(len, nearest))
    weights = [1 / frequency[index] for index in nearest]
    grey = [_curves(np.zeros_like(truth), truth, weight) for truth, weight in zip(truths, weights, strict=True)]
    results = [_result(system, photographs, truths, weights, grey, names) for system in systems]
    evaluation = Evaluation(
        data=folder.name,
        half="all",
        names=list(names),
        labelled=len(names),
        command="photochrom evaluate --data photographs -o report",
        classifier="EfficientNet-lite2",
        versions={"photochrom": "1.0", "python": "3.12"},
        true_ab_counts=_counts(np.concatenate(truths)),
        systems=results,
        left_out={"old.jpg": "grey already", "torn.jpg": "cut off; expected a whole photograph"},
    )
    return replace(evaluation, **changes)  # type: ignore[arg-type]


def _curves(given: NDArray, truth: NDArray, weight: NDArray) -> NDArray[np.float64]:
    error = np.hypot(*(given - truth).T)
    within = error[:, None] <= np.arange(151)
    return np.stack([within.mean(0), weight @ within / weight.sum()])


def _counts(ab: NDArray) -> NDArray[np.int64]:
    return np.histogram2d(*np.clip(ab, -128, 127.9).T, bins=[EDGES, EDGES])[0].astype(np.int64)


def _auc(curve: NDArray) -> float:
    return 100 * float(np.trapezoid(curve)) / 150


def _result(
    system: System,
    photographs: Sequence[Photograph],
    truths: Sequence[NDArray],
    weights: Sequence[NDArray],
    grey: Sequence[NDArray],
    names: Sequence[str],
) -> SystemResult:
    colours = [system.ab(photograph) for photograph in photographs]
    given = [every_fourth(ab) for ab in colours]
    alone = [_curves(*each) for each in zip(given, truths, weights, strict=True)]
    everything = np.concatenate(given), np.concatenate(truths), np.concatenate(weights)
    curves = _curves(*everything)
    shown = [every_fourth(merged(p, ab)) for p, ab in zip(photographs, colours, strict=True)]
    originals = [every_fourth(p.rgb) for p in photographs]
    gain = _auc(curves[1]) - _auc(_curves(np.zeros_like(everything[0]), *everything[1:])[1])
    colour = ColourScores(
        auc=around(_auc(curves[0])),
        rebalanced_auc=around(_auc(curves[1])),
        rebalanced_gain=around(gain),
        gain_at_1=around(gain),
        gain_scale=1.1,
        rmse_ab=around(float(np.sqrt(((everything[0] - everything[1]) ** 2).sum(1).mean()))),
        psnr=around(24.5),
        ssim=around(0.93),
        colourfulness=around(float(np.mean([vividness(rgb) for rgb in shown]))),
        original_colourfulness=around(float(np.mean([vividness(rgb) for rgb in originals]))),
        absolute_colourfulness=around(float(np.mean([vividness(rgb, True) for rgb in shown]))),
        original_absolute_colourfulness=around(float(np.mean([vividness(rgb, True) for rgb in originals]))),
        photographs=len(names),
    )
    is_model = system.kind == "model"
    nothing = Interval(float("nan"), float("nan"), float("nan"))
    return SystemResult(
        name=system.name,
        kind=system.kind,
        note=system.note,
        colour=colour,
        curves=curves,
        ab_counts=_counts(everything[0]),
        photo_auc=np.array([_auc(curve[0]) for curve in alone]),
        photo_gain=np.array([_auc(a[1]) - _auc(g[1]) for a, g in zip(alone, grey, strict=True)]),
        semantic=SemanticScores(around(80.4), around(95), around(-0.9), around(41), nothing, len(names)),
        judge=JudgeScores(around(22), len(names)) if is_model else None,
        cost=Cost(1_830_000, 7_313_625, 142_000_000, 14.2, 1) if is_model else None,
    )


def bins_model(path: Path) -> Path:
    """A model over the 313 bins at stride 4, native size 64: half red, half blue where L is 50; the one or the other
    surer the darker or the lighter it is. ab is its annealed mean."""
    slope, offset = np.zeros(313, np.float32), np.full(313, -9, np.float32)
    for colour, sign in ((RED, 1), (BLUE, -1)):
        index = int((colour == CENTRES).all(1).argmax())
        slope[index], offset[index] = sign * 0.1, -sign * 5
    node = helper.make_node
    nodes = [
        node("AveragePool", ["lightness"], ["mean"], kernel_shape=[4, 4], strides=[4, 4]),
        node("Mul", ["mean", "slope"], ["sloped"]),
        node("Add", ["sloped", "offset"], ["logits"]),
        node("Softmax", ["logits"], ["probabilities"], axis=1),
        node("Div", ["logits", "temperature"], ["cold"]),
        node("Softmax", ["cold"], ["annealed"], axis=1),
        node("Conv", ["annealed", "centres"], ["ab"], kernel_shape=[1, 1]),
    ]
    graph = helper.make_graph(
        nodes,
        "bins",
        [
            helper.make_tensor_value_info("lightness", TensorProto.FLOAT, ["N", 1, "H", "W"]),
            helper.make_tensor_value_info("temperature", TensorProto.FLOAT, [1]),
        ],
        [
            helper.make_tensor_value_info("ab", TensorProto.FLOAT, ["N", 2, "h", "w"]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 313, "h", "w"]),
        ],
        [
            helper.make_tensor("slope", TensorProto.FLOAT, [1, 313, 1, 1], slope),
            helper.make_tensor("offset", TensorProto.FLOAT, [1, 313, 1, 1], offset),
            helper.make_tensor("centres", TensorProto.FLOAT, [2, 313, 1, 1], CENTRES.T.ravel().astype(np.float32)),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    metadata = {
        "name": "bins", "version": "1", "stride": "4", "native_size": "64", "temperature": "0.38",
        "training_data": "none", "licence": "Apache-2.0", "scores": "{}", "photochrom_contract": "1",
    }  # fmt: skip
    helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return path

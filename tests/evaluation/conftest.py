"""A folder of real photographs for the evaluation, and a tiny model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image
from skimage import data
from sklearn.datasets import load_sample_image

SIZE = 384  # pixels: large enough to be reduced to 256


def real_photographs() -> dict[str, np.ndarray]:
    """File name -> uint8 [H, W, 3], colour photographs of several kinds and shapes."""
    return {
        "astronaut.png": data.astronaut()[:SIZE],
        "chelsea.png": data.chelsea(),
        "china.png": load_sample_image("china.jpg")[:, :500],
        "coffee.png": data.coffee(),
        "flower.png": load_sample_image("flower.jpg"),
        "rocket.png": data.rocket(),
    }


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    for name, rgb in real_photographs().items():
        Image.fromarray(rgb).save(folder / name)
    return folder


@pytest.fixture(scope="session")
def warm_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of stride 4, native size 128: ab = (0.1 L, 0.2 L) * T / 0.38."""
    nodes = [
        helper.make_node("AveragePool", ["lightness"], ["pooled"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Concat", ["pooled", "pooled"], ["both"], axis=1),
        helper.make_node("Mul", ["both", "factors"], ["tinted"]),
        helper.make_node("Mul", ["tinted", "temperature"], ["ab"]),
    ]
    graph = helper.make_graph(
        nodes,
        "warm",
        [
            helper.make_tensor_value_info("lightness", TensorProto.FLOAT, ["N", 1, "H", "W"]),
            helper.make_tensor_value_info("temperature", TensorProto.FLOAT, [1]),
        ],
        [helper.make_tensor_value_info("ab", TensorProto.FLOAT, ["N", 2, "h", "w"])],
        [helper.make_tensor("factors", TensorProto.FLOAT, [1, 2, 1, 1], [0.1 / 0.38, 0.2 / 0.38])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(
        model,
        {
            "name": "warm",
            "version": "1",
            "stride": "4",
            "native_size": "128",
            "temperature": "0.38",
            "training_data": "none",
            "licence": "Apache-2.0",
            "scores": "{}",
            "photochrom_contract": "1",
        },
    )
    path = tmp_path_factory.mktemp("model") / "warm.onnx"
    onnx.save(model, path)
    return path

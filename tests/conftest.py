"""Fixtures: real photographs from scikit-image's wheel, and a tiny model that keeps the graph contract."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import skimage.data
from numpy.typing import NDArray
from onnx import TensorProto, helper
from playwright.sync_api import Browser, sync_playwright

from photochrom.colorizer import Colorizer, load

pytest_plugins = ["tests.small_photographs"]

# A shell starts background jobs with Ctrl-C ignored, and children inherit that: tests that send it need it back.
signal.signal(signal.SIGINT, signal.default_int_handler)

METADATA = {
    "name": "tiny", "version": "7", "stride": "4", "native_size": "64", "temperature": "0.38",
    "training_data": "none", "licence": "Apache-2.0", "scores": json.dumps({"auc": 1.5}), "photochrom_contract": "1",
}  # fmt: skip


def build_model(
    path: Path,
    *,
    probabilities: bool = False,
    metadata: dict[str, str] | None = None,
    lightness_name: str = "lightness",
    ab_channels: int = 2,
) -> Path:
    """A graph that averages L over 4 x 4 pixels and maps it to a smooth, vivid colour, stronger when colder:
    a = (0.6 L - 20) 0.38 / T, b = (40 - 0.9 L) 0.38 / T. With probabilities, bin 200 is the most probable."""
    node = helper.make_node
    nodes = [
        node("AveragePool", [lightness_name], ["mean"], kernel_shape=[4, 4], strides=[4, 4]),
        node("Concat", ["mean"] * ab_channels, ["means"], axis=1),
        node("Mul", ["means", "slope"], ["sloped"]),
        node("Add", ["sloped", "offset"], ["raw"]),
        node("Div", ["raw", "temperature"], ["annealed"]),
        node("Mul", ["annealed", "default"], ["ab"]),
    ]
    slope, offset = [0.6, -0.9, 0.1][:ab_channels], [-20.0, 40.0, 0.0][:ab_channels]
    constants = [
        helper.make_tensor("slope", TensorProto.FLOAT, [1, ab_channels, 1, 1], slope),
        helper.make_tensor("offset", TensorProto.FLOAT, [1, ab_channels, 1, 1], offset),
        helper.make_tensor("default", TensorProto.FLOAT, [1], [0.38]),
    ]
    outputs = [helper.make_tensor_value_info("ab", TensorProto.FLOAT, ["N", ab_channels, "h", "w"])]
    if probabilities:
        logits = np.zeros(313, np.float32)
        logits[200] = 3
        nodes += [
            node("Mul", ["mean", "zero"], ["nothing"]),
            node("Add", ["nothing", "logits"], ["scores"]),
            node("Softmax", ["scores"], ["probabilities"], axis=1),
        ]
        constants += [
            helper.make_tensor("zero", TensorProto.FLOAT, [1], [0.0]),
            helper.make_tensor("logits", TensorProto.FLOAT, [1, 313, 1, 1], logits),
        ]
        outputs.append(helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 313, "h", "w"]))
    inputs = [
        helper.make_tensor_value_info(lightness_name, TensorProto.FLOAT, ["N", 1, "H", "W"]),
        helper.make_tensor_value_info("temperature", TensorProto.FLOAT, [1]),
    ]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    helper.set_model_props(model, METADATA if metadata is None else metadata)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


@pytest.fixture(scope="session")
def model_builder() -> Callable[..., Path]:
    """build_model: makes other tiny models, some of which break the contract."""
    return build_model


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a model of a few hundred bytes: stride 4, native size 64 (see build_model)."""
    return build_model(tmp_path_factory.mktemp("model") / "tiny.onnx")


@pytest.fixture(scope="session")
def colorizer(tiny_model: Path) -> Colorizer:
    """A Colorizer with the tiny model."""
    return load(tiny_model)


@pytest.fixture(scope="session")
def astronaut() -> NDArray[np.uint8]:
    """A portrait, RGB [512, 512, 3]."""
    return skimage.data.astronaut()


@pytest.fixture(scope="session")
def cat() -> NDArray[np.uint8]:
    """A cat, RGB [300, 451, 3]: landscape, odd width."""
    return skimage.data.chelsea()


@pytest.fixture(scope="session")
def camera() -> NDArray[np.uint8]:
    """A grey photograph [512, 512]."""
    return skimage.data.camera()


@pytest.fixture(scope="session")
def grey16(cat: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """A 16-bit grey scan [300, 451] with all its low bits in use."""
    rgb = cat.astype(np.float64) @ [0.2, 0.7, 0.1]
    noise = np.random.default_rng(0).random(rgb.shape)
    return np.clip((rgb + noise) * 256, 0, 65535).astype(np.uint16)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """For small networks: several threads would mostly wait for each other."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium. Without one the tests are skipped, except where `make` has to have installed it."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium here; expected `make` to have installed it")
        pytest.skip("no Chromium here; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield started
        started.close()

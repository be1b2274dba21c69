from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from photochrom.errors import ModelError
from photochrom.evaluation.judges.classifiers import make_classifier
from photochrom.evaluation.judges.onnx_classifier import OnnxClassifier
from photochrom.evaluation.photographs import list_photographs, read_whole

pytestmark = pytest.mark.usefixtures("one_thread")
GRID = 4  # cells a side whose mean colours are the features of the small classifier


@pytest.fixture(scope="module")
def rgbs(photographs: Path) -> list[np.ndarray]:
    """The photographs, of several sizes."""
    return [read_whole(path).rgb for path in list_photographs(photographs)]


def write(
    path: Path,
    *,
    shape: list[Any] | None = None,
    classes: int = 1000,
    probabilities: bool = False,
    features: bool = True,
    nhwc: bool = False,
    metadata: dict[str, str] | None = None,
    kind: int = TensorProto.FLOAT,
    seed: int = 0,
) -> Path:
    """A linear classifier of the mean colours of a 4 x 4 grid (seed: of its weights)."""
    shape = shape or (["N", 224, 224, 3] if nhwc else ["N", 3, 224, 224])
    channels = 3 if nhwc or isinstance(shape[1], str) else shape[1]
    weights = np.random.default_rng(seed).normal(size=(channels * GRID * GRID, classes)).astype(np.float32)
    node = helper.make_node
    nodes = [
        node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2] if nhwc else [0, 1, 2, 3]),
        node("AveragePool", ["planes"], ["grid"], kernel_shape=[56, 56], strides=[56, 56]),
        node("Flatten", ["grid"], ["features"]),
        node("MatMul", ["features", "weights"], ["logits"]),
        node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    names = ["probabilities" if probabilities else "logits", *(["features"] if features else [])]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]
    inputs = [helper.make_tensor_value_info("images", kind, shape)]
    graph = helper.make_graph(nodes, "small", inputs, outputs, [numpy_helper.from_array(weights, "weights")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, metadata or {})
    onnx.save(model, path)
    return path


def by_hand(
    rgb: np.ndarray, *, short: int = 256, mean: Any = (0.485, 0.456, 0.406), std: Any = (0.229, 0.224, 0.225),
    top: float = 1, seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """The same classifier on Pillow's picture: (log-probabilities [1000], features [48])."""
    picture = Image.fromarray(rgb)
    scale = short / min(picture.size)
    size = round(picture.width * scale), round(picture.height * scale)
    picture = picture.resize(size, Image.Resampling.BICUBIC)
    left, upper = (picture.width - 224) // 2, (picture.height - 224) // 2
    values = np.asarray(picture.crop((left, upper, left + 224, upper + 224)), np.float64) / 255 * top
    cells = ((values - mean) / std).reshape(GRID, 56, GRID, 56, 3).mean((1, 3))
    features = cells.transpose(2, 0, 1).ravel()
    weights = np.random.default_rng(seed).normal(size=(3 * GRID * GRID, 1000)).astype(np.float32)
    logits = features @ weights
    return logits - np.log(np.exp(logits - logits.max()).sum()) - logits.max(), features


@pytest.mark.parametrize("nhwc", [False, True])
@pytest.mark.parametrize("probabilities", [False, True])
@pytest.mark.parametrize("first", ["N", 1])
def test_equals_the_classifier_by_hand(
    tmp_path: Path, rgbs: list[np.ndarray], nhwc: bool, probabilities: bool, first: Any
) -> None:
    shape = [first, 224, 224, 3] if nhwc else [first, 3, 224, 224]
    file = write(tmp_path / "small.onnx", shape=shape, nhwc=nhwc, probabilities=probabilities)
    classifier = make_classifier(str(file), 1)
    assert (classifier.name, classifier.classes) == ("small", 1000)
    found = classifier.classify(rgbs)
    assert found.log_probabilities.dtype == np.float32
    assert found.features is not None
    for rgb, log_probabilities, features in zip(rgbs, *found, strict=True):
        expected, cells = by_hand(rgb)
        np.testing.assert_allclose(features, cells, atol=0.01)
        likely = expected > -20  # probabilities below e^-20 have few digits left
        np.testing.assert_allclose(log_probabilities[likely], expected[likely], atol=0.15)
        assert log_probabilities.argmax() == expected.argmax()


def test_equals_pytorch_on_the_same_pixels(tmp_path: Path) -> None:
    """A 224-pixel network exported by PyTorch, on pictures of 256 pixels: only cropped."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 5, stride=8), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
        torch.nn.Linear(8, 1000),
    )  # fmt: skip
    file = tmp_path / "exported.onnx"
    torch.onnx.export(network, (torch.zeros(1, 3, 224, 224),), file, input_names=["input"], dynamo=False)
    rgb = np.random.default_rng(0).integers(0, 256, (3, 256, 256, 3), dtype=np.uint8)
    values = torch.tensor(rgb[:, 16:240, 16:240] / 255.0)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.inference_mode():
        expected = network(((values - mean) / std).permute(0, 3, 1, 2).float()).log_softmax(-1)
    found = OnnxClassifier(file, 1).classify(list(rgb))
    np.testing.assert_allclose(found.log_probabilities, expected, atol=1e-4)
    assert found.features is None


def test_metadata_overrides_the_preparation(tmp_path: Path, rgbs: list[np.ndarray]) -> None:
    metadata = {"mean": "[127, 127, 127]", "std": "128, 128, 128", "range": "255", "crop": "1.0", "size": "224"}
    file = write(tmp_path / "small.onnx", shape=["N", 3, "H", "W"], metadata=metadata | {"author": "unknown keys stay"})
    found = OnnxClassifier(file, 1).classify(rgbs)
    for rgb, features in zip(rgbs, found.features, strict=True):
        _, cells = by_hand(rgb, short=224, mean=127, std=128, top=255)
        np.testing.assert_allclose(features, cells, atol=0.01)


@pytest.mark.parametrize("nhwc", [False, True])
def test_an_open_layout_is_told_by_the_metadata(tmp_path: Path, rgbs: list[np.ndarray], nhwc: bool) -> None:
    metadata = {"layout": "nhwc"} if nhwc else {}
    file = write(tmp_path / "open.onnx", shape=["N", "A", "B", "C"], nhwc=nhwc, metadata=metadata)
    fixed = write(tmp_path / "fixed.onnx", nhwc=nhwc)
    found = [OnnxClassifier(path, 1).classify(rgbs).log_probabilities for path in (file, fixed)]
    assert (found[0] == found[1]).all()


def test_outputs_with_sides_of_1_count_as_two_dimensional(tmp_path: Path, rgbs: list[np.ndarray]) -> None:
    file = write(tmp_path / "small.onnx", features=False)
    model = onnx.load(file)
    model.graph.node.append(helper.make_node("Unsqueeze", ["logits", "axes"], ["tall"]))
    model.graph.initializer.append(numpy_helper.from_array(np.array([2, 3]), "axes"))
    model.graph.output[0].name = "tall"
    onnx.save(model, tmp_path / "tall.onnx")
    found = [OnnxClassifier(path, 1).classify(rgbs).log_probabilities for path in (file, tmp_path / "tall.onnx")]
    assert (found[0] == found[1]).all()


def test_the_fingerprint_changes_with_weights_and_preparation(tmp_path: Path) -> None:
    files = [
        write(tmp_path / "a.onnx"), write(tmp_path / "b.onnx"), write(tmp_path / "c.onnx", seed=1),
        write(tmp_path / "d.onnx", metadata={"crop": "1"}),
    ]  # fmt: skip
    first, same, weights, crop = (OnnxClassifier(file, 1).fingerprint for file in files)
    assert first == same
    assert len({first, weights, crop}) == 3


def test_weights_in_a_file_beside_count(tmp_path: Path, rgbs: list[np.ndarray]) -> None:
    found = []
    for seed in (0, 1):
        model = onnx.load(write(tmp_path / "small.onnx", seed=seed))
        file = tmp_path / f"{seed}" / "large.onnx"
        file.parent.mkdir()
        onnx.save(model, file, save_as_external_data=True, location="large.onnx.data", size_threshold=0)
        found.append(OnnxClassifier(file, 1))
    assert found[0].fingerprint != found[1].fingerprint
    scores = [classifier.classify(rgbs[:1]).log_probabilities for classifier in found]
    assert (scores[0] != scores[1]).any()


def test_scores_that_are_not_finite_are_refused(tmp_path: Path, rgbs: list[np.ndarray]) -> None:
    file = write(tmp_path / "small.onnx")
    model = onnx.load(file)
    weights = numpy_helper.to_array(model.graph.initializer[0]).copy()
    weights[0, 0] = np.nan
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(weights, "weights"))
    onnx.save(model, file)
    with pytest.raises(ModelError, match=r"small\.onnx: gives scores that are not finite"):
        OnnxClassifier(file, 1).classify(rgbs[:1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": 1001}, r"scores of 1001 classes; expected the labels' 1000"),
        ({"shape": [8, 3, 224, 224]}, "8 images at a time; expected 1, or a dynamic first axis"),
        ({"shape": ["N", 3, 224, 256]}, "expected a square one"),
        ({"shape": ["N", 4, 224, 224]}, r"input shape \['N', 4, 224, 224\]; expected \[N, 3, H, W\]"),
        ({"metadata": {"size": "200"}, "shape": ["N", 3, "H", "W"]}, r"could not be run on images \[4, 3, 200, 200\]"),
        ({"kind": TensorProto.DOUBLE}, r"images tensor\(double\).*expected one, tensor\(float\)"),
        ({"metadata": {"size": "192"}}, "metadata size is 192; expected 224, as its input has"),
        ({"metadata": {"size": "224.5"}}, "metadata size is '224.5'; expected a whole number of pixels"),
        ({"metadata": {"mean": "0.5"}}, "metadata mean is '0.5'; expected three numbers"),
        ({"metadata": {"std": "1, 0, 1"}}, "metadata std is '1, 0, 1'; expected three numbers above 0"),
        ({"metadata": {"std": "a, b, c"}}, "metadata std is 'a, b, c'"),
        ({"metadata": {"range": "100"}}, "metadata range is '100'; expected 1 or 255"),
        ({"metadata": {"crop": "2"}}, "metadata crop is '2'; expected a number above 0 and at most 1"),
        ({"metadata": {"layout": "CHW"}}, "metadata layout is 'CHW'; expected NCHW or NHWC"),
        ({"metadata": {"layout": "NHWC"}}, "and the metadata layout NHWC"),
    ],
)
def test_refusals(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    file = write(tmp_path / "small.onnx", **changes)
    with pytest.raises(ModelError, match=message) as caught:
        OnnxClassifier(file, 1)
    assert str(caught.value).startswith(str(file))


def test_other_files_are_refused(tmp_path: Path, tiny_model: Path) -> None:
    with pytest.raises(ModelError, match=r"tiny\.onnx: has the inputs lightness .*, temperature .*; expected one"):
        OnnxClassifier(tiny_model, 1)
    (tmp_path / "text.onnx").write_text("not a graph")
    with pytest.raises(ModelError, match=r"text\.onnx: not a model that ONNX Runtime can load"):
        OnnxClassifier(tmp_path / "text.onnx", 1)
    with pytest.raises(ModelError, match="no such file; expected an ONNX file"):
        OnnxClassifier(tmp_path / "absent.onnx", 1)


def test_a_graph_without_scores_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "small.onnx", features=False)
    model = onnx.load(file)
    model.graph.output[0].name = "grid"
    onnx.save(model, file)
    with pytest.raises(ModelError, match=r"outputs of shape \[4, 3, 4, 4\]; expected float \[4, classes\]"):
        OnnxClassifier(file, 1)

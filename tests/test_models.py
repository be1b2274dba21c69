"""Models: found by name or path, checked before they are used."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from photochrom import models
from photochrom.colorizer import load
from photochrom.contrast import widened
from photochrom.errors import ModelError

Builder = Callable[..., Path]
METADATA = {
    "name": "other", "version": "1", "stride": "4", "native_size": "64", "temperature": "0.5",
    "training_data": "none", "licence": "MIT", "scores": "{}", "photochrom_contract": "1",
}  # fmt: skip


def test_info_of_a_model(tiny_model: Path) -> None:
    info = models.read_info(tiny_model)
    data = tiny_model.read_bytes()
    assert (info.name, info.version, info.stride, info.native_size, info.temperature) == ("tiny", "7", 4, 64, 0.38)
    assert (info.training_data, info.licence, info.scores) == ("none", "Apache-2.0", {"auc": 1.5})
    assert (info.sha256, info.bytes, info.path) == (hashlib.sha256(data).hexdigest(), len(data), tiny_model)
    assert not info.has_probabilities


def test_a_model_is_found_by_bundled_name_or_path(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lite.onnx").write_bytes(tiny_model.read_bytes())
    monkeypatch.setattr(models, "WEIGHTS", tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "none"))
    assert models.find_model("lite") == tmp_path / "lite.onnx"
    assert models.find_model(tiny_model) == tiny_model and models.find_model(str(tiny_model)) == tiny_model
    assert [info.path for info in models.list_models()] == [tmp_path / "lite.onnx"]
    with pytest.raises(ModelError, match="lighter: no model of that name and no such file; expected one of: lite;"):
        models.find_model("lighter")


def test_fetched_models_come_after_bundled_ones(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = models.cache_folder()
    assert folder == tmp_path / "photochrom"
    with pytest.raises(ModelError, match=r"; to download it, run: photochrom models fetch eccv16$"):
        models.find_model("eccv16")
    folder.mkdir()
    for name in ("eccv16", "lite", "about"):
        (folder / f"{name}.onnx").write_bytes(tiny_model.read_bytes())
    (folder / "eccv16.safetensors").touch()
    assert models.find_model("eccv16") == folder / "eccv16.onnx"
    assert models.find_model("lite") == models.WEIGHTS / "lite.onnx"
    expected = [models.WEIGHTS / "lite.onnx", folder / "about.onnx", folder / "eccv16.onnx"]
    assert [info.path for info in models.list_models()] == expected
    monkeypatch.chdir(tmp_path)
    (tmp_path / "eccv16").touch()
    assert models.find_model("eccv16") == folder / "eccv16.onnx"


def test_the_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # to be ignored, says the specification
    assert models.cache_folder() == tmp_path / ".cache" / "photochrom"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert models.cache_folder() == tmp_path / ".cache" / "photochrom"


def test_a_user_without_a_home_still_has_the_bundled_models(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(models.Path, "home", homeless)
    assert models.known_models() == models.bundled_models() != {}


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x07" * 500])
def test_a_corrupt_file(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"bad\.onnx"):
        load(path)


def test_a_truncated_model(tiny_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.onnx"
    path.write_bytes(tiny_model.read_bytes()[:-200])
    with pytest.raises(ModelError, match=r"cut\.onnx"):
        load(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"photochrom_contract": None}, "photochrom_contract is no entry; expected 1"),
        ({"photochrom_contract": "2"}, "photochrom_contract is 2; expected 1"),
        ({"stride": None}, "metadata has no stride"),
        ({"stride": "four"}, "stride is 'four'; expected a number above 0"),
        ({"stride": "5"}, "stride is 5; expected a divisor of 32"),
        ({"stride": "4.5"}, "stride is '4.5'; expected a whole number"),
        ({"temperature": "0"}, "temperature is '0'; expected a number above 0"),
        ({"temperature": "nan"}, "temperature is 'nan'; expected a number above 0"),
        ({"native_size": "-64"}, "native_size is '-64'; expected a number above 0"),
        ({"scores": "{"}, "scores is not JSON"),
        ({"least_range": "wide"}, "least_range is 'wide'; expected a number, 0 to 100"),
        ({"least_range": "120"}, "least_range is '120'; expected a number, 0 to 100"),
    ],
)
def test_metadata_that_breaks_the_contract(
    changes: dict[str, str | None], message: str, tmp_path: Path, model_builder: Builder
) -> None:
    metadata = {key: value for key, value in (METADATA | changes).items() if value is not None}
    path = model_builder(tmp_path / "m.onnx", metadata=metadata)
    with pytest.raises(ModelError, match=message) as caught:
        models.read_info(path)
    assert str(path) in str(caught.value)


def test_a_model_may_ask_for_contrast(tmp_path: Path, model_builder: Builder) -> None:
    assert models.read_info(model_builder(tmp_path / "old.onnx", metadata=METADATA)).least_range == 0
    path = model_builder(tmp_path / "new.onnx", metadata=METADATA | {"least_range": "80.0"})
    assert models.read_info(path).least_range == 80
    faded = np.linspace(40, 60, 32 * 32, dtype=np.float32).reshape(32, 32)
    assert np.allclose(load(path).predict_ab(faded), load(tmp_path / "old.onnx").predict_ab(widened(faded, 80)))


def test_other_inputs_and_outputs(tmp_path: Path, model_builder: Builder) -> None:
    path = model_builder(tmp_path / "a.onnx", lightness_name="image")
    with pytest.raises(ModelError, match="has the inputs image, temperature; expected lightness and temperature"):
        load(path)
    path = model_builder(tmp_path / "b.onnx", ab_channels=3)
    with pytest.raises(ModelError, match=r"ab has the shape \['N', 3, 'h', 'w'\]; expected 2 on axis 1"):
        load(path)


def test_other_types_and_ranks(tmp_path: Path) -> None:
    for kind, shape, message in (
        (TensorProto.DOUBLE, ["N", 1, "H", "W"], r"lightness is tensor\(double\); expected tensor\(float\)"),
        (TensorProto.FLOAT, [1, "H", "W"], "lightness has 3 dimensions .*; expected 4"),
    ):
        graph = helper.make_graph(
            [
                helper.make_node("Cast", ["lightness"], ["x"], to=TensorProto.FLOAT),
                helper.make_node("Mul", ["x", "temperature"], ["ab"]),
            ],
            "g",
            [
                helper.make_tensor_value_info("lightness", kind, shape),
                helper.make_tensor_value_info("temperature", TensorProto.FLOAT, [1]),
            ],
            [helper.make_tensor_value_info("ab", TensorProto.FLOAT, None)],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 9
        helper.set_model_props(model, METADATA)
        onnx.save(model, tmp_path / "m.onnx")
        with pytest.raises(ModelError, match=message):
            load(tmp_path / "m.onnx")


def test_a_graph_whose_output_is_not_the_size_it_promises(tmp_path: Path, model_builder: Builder) -> None:
    path = model_builder(tmp_path / "m.onnx", metadata=METADATA | {"stride": "8"})
    with pytest.raises(ModelError, match=r"m\.onnx: gives ab of shape .*; expected"):
        load(path).predict_ab([[50.0] * 64] * 64)

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from photochrom.colorizer import load
from photochrom.evaluation.colour import colourfulness
from photochrom.evaluation.judges.semantic import merged
from photochrom.evaluation.photographs import Photograph, list_photographs, read_crop
from photochrom.evaluation.report.model_view import views
from photochrom.evaluation.report.temperature_sweep import TEMPERATURES, Sweeps, sweep
from photochrom.evaluation.systems import ModelSystem

from ..example import bins_model, every_fourth


@pytest.fixture(scope="module")
def swept(  # bins and warm, at their own temperature and at 0.5
    photographs: Path, warm_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Sweeps, list]:
    models = [("bins", bins_model(tmp_path_factory.mktemp("bins") / "bins.onnx")), ("warm", warm_model)]
    loaded = [(name, load(path, threads=1)) for name, path in models]
    systems = [ModelSystem(name, colorizer, t) for name, colorizer in loaded for t in (None, 0.5)]
    names = [path.name for path in list_photographs(photographs)][:3]
    steps: list[None] = []

    def read(name: str) -> Photograph | None:
        return read_crop(photographs / name, 256)

    found = sweep(views(systems), names, read, lambda: steps.append(None))
    assert found is not None and len(steps) == 3
    return found, [read(name) for name in names]


def test_error_and_colourfulness_by_a_loop(swept: tuple[Sweeps, list], warm_model: Path, tmp_path: Path) -> None:
    found, photographs = swept
    assert found.photographs == 3
    for each, path in zip(found.sweeps, (bins_model(tmp_path / "bins.onnx"), warm_model), strict=True):
        assert each.temperatures == tuple(sorted({*TEMPERATURES, 0.5}))
        assert each.own == (0.38, 0.5)
        colorizer = load(path, threads=1)
        for temperature in (0.2, 0.5, 1.0):
            system = ModelSystem("again", colorizer, temperature)
            given = [system.ab(photograph) for photograph in photographs]
            errors = [every_fourth(ab - p.ab) for ab, p in zip(given, photographs, strict=True)]
            index = each.temperatures.index(temperature)
            rmse = np.sqrt((np.concatenate(errors) ** 2).sum(1).mean())
            assert each.rmse[index] == pytest.approx(rmse, rel=1e-3)
            vivid = [colourfulness(every_fourth(merged(p, ab))) for ab, p in zip(given, photographs, strict=True)]
            assert each.colourfulness[index] == pytest.approx(np.mean(vivid), rel=0.03)


def test_the_warm_model_is_warmer_the_higher_its_temperature(swept: tuple[Sweeps, list]) -> None:
    warm = swept[0].sweeps[1]
    assert (np.diff(warm.colourfulness) > 0).all()
    assert len(warm.pictures) == len(warm.temperatures) == len(set(warm.pictures))


def test_the_shown_photograph_changes_most(swept: tuple[Sweeps, list], tmp_path: Path) -> None:
    found, photographs = swept
    assert found.shown in {photograph.name for photograph in photographs}
    assert found.colourfulness == pytest.approx(np.mean([colourfulness(every_fourth(p.rgb)) for p in photographs]))


def test_a_network_without_temperature_is_named(photographs: Path, tmp_path: Path) -> None:
    import onnx

    path = bins_model(tmp_path / "bins.onnx")
    model = onnx.load(path)
    for node in model.graph.node:
        if node.name == "" and node.op_type == "Div":
            node.input[1] = "one"  # whatever the temperature
    model.graph.initializer.append(onnx.helper.make_tensor("one", onnx.TensorProto.FLOAT, [1], [1.0]))
    kept = [output for output in model.graph.output if output.name == "ab"]
    del model.graph.output[:]
    model.graph.output.extend(kept)
    onnx.save(model, tmp_path / "steady.onnx")
    networks = views([ModelSystem("steady", load(tmp_path / "steady.onnx", threads=1))])
    found = sweep(networks, ["coffee.png"], lambda name: read_crop(photographs / name, 256), lambda: None)
    assert found is not None and found.sweeps == () and found.ignored == ("steady",)


def test_nothing_to_sweep(warm_model: Path) -> None:
    networks = views([ModelSystem("warm", load(warm_model, threads=1))])
    assert sweep(networks, ["gone.png"], lambda name: None, lambda: None) is None
    assert sweep([], [], lambda name: None, lambda: None) is None

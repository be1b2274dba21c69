from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import typer

from photochrom.cli.evaluate import _show as show
from photochrom.cli.evaluate import evaluate as command
from photochrom.errors import DataError, ModelError, OutputError, SettingError
from photochrom.evaluation.baselines import make_baseline
from photochrom.evaluation.evaluate import evaluate
from photochrom.evaluation.photographs import list_photographs
from photochrom.evaluation.report import files as report
from photochrom.evaluation.results import Evaluation, Interval

from ..test_evaluate import Certain


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def evaluation(photographs: Path) -> Evaluation:
    paths = [*list_photographs(photographs), photographs / "gone.png"]
    return evaluate(
        paths,
        [make_baseline(name, paths[:4]) for name in ("constant", "truth")],
        folder=photographs,
        half="all",
        labels={"coffee.png": 3, "rocket.png": 3},
        classifier=Certain(),
        command="photochrom evaluate ...",
    )


def test_markdown(evaluation: Evaluation, tmp_path: Path) -> None:
    report.write(evaluation, tmp_path / "new" / "folder")
    text = (tmp_path / "new" / "folder" / "report.md").read_text()
    assert "half: all, 6 photographs" in text
    assert "fitted by gain@1 on the even half" in text
    assert "| truth | 100.0 [100.0, 100.0] |" in text
    assert "1 left out, no such file; expected a photograph: gone.png" in text
    assert "## certain on 2 labelled photographs" in text
    assert "`photochrom evaluate ...`" in text


def test_json(evaluation: Evaluation, tmp_path: Path) -> None:
    report.write(evaluation, tmp_path)
    stored = json.loads((tmp_path / "report.json").read_text())
    assert stored["systems"]["truth"]["colour"]["auc"]["value"] == 100
    assert stored["systems"]["truth"]["semantic"]["photographs"] == 2
    assert stored["command"] == "photochrom evaluate ..."
    assert stored["versions"]["photochrom"]
    assert list(stored["left_out"]) == ["gone.png"]
    assert len(stored["systems"]["constant"]["curves"]["plain"]) == 151
    assert stored["photographs"] == 6


def test_csv_says_what_json_says(evaluation: Evaluation, tmp_path: Path) -> None:
    report.write(evaluation, tmp_path)
    stored = json.loads((tmp_path / "report.json").read_text())
    with (tmp_path / "report.csv").open(newline="") as lines:
        rows = {row["system"]: row for row in csv.DictReader(lines)}
    assert list(rows) == ["constant", "truth"]
    for name, row in rows.items():
        colour = stored["systems"][name]["colour"]
        for figure in ("auc", "ssim", "rmse_ab", "absolute_colourfulness"):
            found = [float(row[column]) for column in (figure, f"{figure}_low", f"{figure}_high")]
            assert found == pytest.approx(list(colour[figure].values()))
        assert float(row["classifier_top_5"]) == stored["systems"][name]["semantic"]["top_5"]["value"]
        assert row["milliseconds"] == row["judge_error"] == row["frechet"] == ""  # not measured


def test_a_share_of_no_gap() -> None:
    nothing = float("nan")
    assert report.cell(Interval(nothing, nothing, nothing)) == "-"
    assert report.cell(Interval(12.34, nothing, nothing)) == "12.3"
    assert report.cell(Interval(12.34, 10, 15.06), 2) == "12.34 [10.00, 15.06]"


def test_no_gap_is_null_in_json(photographs: Path, tmp_path: Path) -> None:
    class Blind(Certain):
        def classify(self, photographs: list[np.ndarray]):  # type: ignore[no-untyped-def]
            answer = super().classify(photographs)
            return answer._replace(log_probabilities=np.full((len(photographs), 1000), -6.9, np.float32))

    paths = list_photographs(photographs)[:1]
    grey = make_baseline("grey", paths)
    labels = {paths[0].name: 3}
    found = evaluate(paths, [grey], folder=photographs, half="all", labels=labels, classifier=Blind())
    report.write(found, tmp_path)
    stored = json.loads((tmp_path / "report.json").read_text())
    assert stored["systems"]["grey"]["semantic"]["share"] == {"value": None, "low": None, "high": None}


def test_report_where_a_file_is(evaluation: Evaluation, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file"):
        report.write(evaluation, tmp_path / "file")


def test_a_zero_has_no_sign() -> None:
    assert report.cell(Interval(-0.04, -0.2, 0.01)) == "0.0 [-0.2, 0.0]"


def test_a_narrow_terminal_gets_the_figures_without_intervals(
    evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("photochrom.cli.evaluate.WIDTH", 150)
    show(evaluation, Path("report.html"))
    shown = capsys.readouterr().out
    assert "│ truth    │ 100.0 │" in shown and "do not fit here" in shown
    assert "…" not in shown
    monkeypatch.setattr("photochrom.cli.evaluate.WIDTH", 300)
    show(evaluation, Path("report.html"))
    assert "100.0 [100.0, 100.0]" in capsys.readouterr().out


def test_command(photographs: Path, warm_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command(
        data=photographs,
        output=tmp_path,
        model=[str(warm_model)],
        baseline=["grey", "random"],
        half="odd",
        temperature=[0.38, 0.5],
        saturation=[1.0, 0.5],
        threads=1,
        html=False,
    )
    stored = json.loads((tmp_path / "report.json").read_text())
    assert list(stored["systems"]) == ["grey", "random", "warm T=0.38", "warm T=0.38 S=0.5", "warm T=0.5",
                                       "warm T=0.5 S=0.5"]  # fmt: skip
    assert (stored["half"], stored["photographs"], stored["labelled"]) == ("odd", 3, 0)
    cost = stored["systems"]["warm T=0.5"]["cost"]
    assert (cost["parameters"], cost["threads"], cost["file_bytes"]) == (2, 1, warm_model.stat().st_size)
    assert 20e6 < cost["peak_memory"] < 1e9 and cost["milliseconds"] > 0
    assert stored["systems"]["grey"]["cost"] is None
    shown = capsys.readouterr()
    assert "warm T=0.5 S=0.5" in shown.out
    assert "measuring: 3 photographs" in shown.err


def test_models_that_share_a_file_name_are_told_apart(photographs: Path, warm_model: Path, tmp_path: Path) -> None:
    copy = tmp_path / "warm.onnx"
    copy.write_bytes(warm_model.read_bytes())
    models = [str(warm_model), str(copy)]
    command(data=photographs, output=tmp_path, model=models, half="odd", limit=1, html=False, costs=False)
    assert list(json.loads((tmp_path / "report.json").read_text())["systems"]) == models


def test_a_torn_photograph_is_left_out_and_the_exit_code_says_so(
    photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "photographs"
    folder.mkdir()
    for name in ("chelsea.png", "coffee.png"):
        (folder / name).write_bytes((photographs / name).read_bytes())
    (folder / "torn.png").write_bytes((photographs / "rocket.png").read_bytes()[:5000])
    with pytest.raises(typer.Exit) as ended:
        command(data=folder, output=tmp_path / "report", baseline=["grey"], html=False)
    assert ended.value.exit_code == 1
    assert "torn.png" in capsys.readouterr().out
    assert json.loads((tmp_path / "report" / "report.json").read_text())["photographs"] == 2


def test_bad_use_of_the_command(photographs: Path, warm_model: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(SettingError, match="nothing to evaluate"):
        command(data=photographs, output=tmp_path)
    with pytest.raises(DataError, match="no photographs found"):
        command(data=empty, output=tmp_path, baseline=["grey"])
    with pytest.raises(ModelError, match=r"gone\.onnx"):
        command(data=photographs, output=tmp_path, model=["gone.onnx"])
    with pytest.raises(SettingError, match="temperature is 0"):
        command(data=photographs, output=tmp_path, model=[str(warm_model)], temperature=[0.0])
    with pytest.raises(SettingError, match="'blue'"):
        command(data=photographs, output=tmp_path, baseline=["blue"])
    labels = tmp_path / "labels.csv"
    labels.write_text("file,imagenet_class\ngone.png,3\n")
    with pytest.raises(DataError, match=r"line 2: gone\.png is not in"):
        command(data=photographs, output=tmp_path, baseline=["grey"], labels=labels)
    labels.write_text("file,imagenet_class\ncoffee.png,504\n")
    with pytest.raises(SettingError, match=r"classifier is 'x\.onnx', but no photograph is labelled"):
        command(data=photographs, output=tmp_path, baseline=["grey"], classifier="x.onnx")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file: is a file; expected the name of a folder"):
        command(data=photographs, output=tmp_path / "file", baseline=["grey"])
    with pytest.raises(SettingError, match="classifier is 'resnet'"):
        command(data=photographs, output=tmp_path, baseline=["grey"], labels=labels, classifier="resnet")
    assert not (tmp_path / "report.json").exists()

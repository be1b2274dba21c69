from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from photochrom.cli.evaluate import evaluate as command
from photochrom.errors import DataError, MissingPhotoError, ModelError, OutputError, SettingError
from photochrom.evaluation import report
from photochrom.evaluation.baselines import make_baseline
from photochrom.evaluation.photographs import list_photographs


class Certain:
    """A classifier that finds class 3 the surer the more colourful a photograph is."""

    name = "certain"

    def __init__(self) -> None:
        self.seen = 0

    def log_probabilities(self, photographs: list[np.ndarray]) -> np.ndarray:
        self.seen += len(photographs)
        results = np.full((len(photographs), 1000), -9.0, np.float32)
        results[:, 3] = [-8 + (np.ptp(rgb, axis=-1)).mean() / 100 for rgb in photographs]
        return results


def test_evaluation_of_baselines(photographs: Path, tmp_path: Path) -> None:
    paths = list_photographs(photographs)
    classifier = Certain()
    systems = [make_baseline(name, paths) for name in ("constant", "truth")]
    steps: list[tuple[str, int, int]] = []
    evaluation = report.evaluate(
        paths,
        systems,
        folder=photographs,
        half="all",
        labels={"coffee.png": 3, "rocket.png": 3},
        classifier=classifier,
        command="photochrom evaluate ...",
        progress=lambda *step: steps.append(step),
    )
    assert list(evaluation.colour) == ["constant", "truth"]
    assert list(evaluation.semantic) == ["grey", "constant", "truth"]  # grey is the zero of the scale
    assert evaluation.semantic["truth"].share.value == pytest.approx(100)
    assert (evaluation.photographs, evaluation.labelled) == (6, 2)
    assert classifier.seen == 2 * 3
    assert steps[-1] == ("classification", 2, 2)

    report.write(evaluation, tmp_path / "new" / "folder")
    stored = json.loads((tmp_path / "new" / "folder" / "report.json").read_text())
    assert stored["colour"]["truth"]["auc"]["value"] == 100
    assert stored["command"] == "photochrom evaluate ..."
    assert stored["versions"]["photochrom"]
    text = (tmp_path / "new" / "folder" / "report.md").read_text()
    assert "half: all, 6 photographs" in text
    assert "fitted by gain@1 on the even half" in text
    assert "| truth | 100.0 [100.0, 100.0] |" in text


def test_no_gap_is_null_in_json(photographs: Path, tmp_path: Path) -> None:
    class Blind(Certain):
        def log_probabilities(self, photographs: list[np.ndarray]) -> np.ndarray:
            return np.full((len(photographs), 1000), -6.9, np.float32)

    paths = list_photographs(photographs)[:1]
    grey = make_baseline("grey", paths)
    labels = {paths[0].name: 3}
    evaluation = report.evaluate(paths, [grey], folder=photographs, half="all", labels=labels, classifier=Blind())
    report.write(evaluation, tmp_path)
    stored = json.loads((tmp_path / "report.json").read_text())
    assert stored["semantic"]["grey"]["share"] == {"value": None, "low": None, "high": None}


def test_labels_of_other_photographs(photographs: Path) -> None:
    paths = list_photographs(photographs)
    with pytest.raises(DataError, match="none of the 2 photographs is labelled"):
        report.evaluate(
            paths[:2],
            [make_baseline("grey", paths)],
            folder=photographs,
            half="all",
            labels={"rocket.png": 3},
            classifier=Certain(),
        )


def test_two_systems_of_one_name(photographs: Path) -> None:
    paths = list_photographs(photographs)
    with pytest.raises(DataError, match="two systems have one name: grey, grey"):
        report.evaluate(paths, [make_baseline("grey", paths)] * 2, folder=photographs, half="all")


def test_report_where_a_file_is(photographs: Path, tmp_path: Path) -> None:
    paths = list_photographs(photographs)[:1]
    evaluation = report.evaluate(paths, [make_baseline("grey", paths)], folder=photographs, half="all")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file"):
        report.write(evaluation, tmp_path / "file")


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
    )
    stored = json.loads((tmp_path / "report.json").read_text())
    assert list(stored["colour"]) == ["grey", "random", "warm T=0.38", "warm T=0.38 S=0.5", "warm T=0.5",
                                      "warm T=0.5 S=0.5"]  # fmt: skip
    assert (stored["half"], stored["photographs"], stored["semantic"]) == ("odd", 3, {})
    shown = capsys.readouterr()
    assert "warm T=0.5 S=0.5" in shown.out
    assert "colour: 3 photographs" in shown.err


def test_models_that_share_a_file_name_are_told_apart(photographs: Path, warm_model: Path, tmp_path: Path) -> None:
    copy = tmp_path / "warm.onnx"
    copy.write_bytes(warm_model.read_bytes())
    command(data=photographs, output=tmp_path, model=[str(warm_model), str(copy)], half="odd", limit=1)
    assert list(json.loads((tmp_path / "report.json").read_text())["colour"]) == [str(warm_model), str(copy)]


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
    assert not (tmp_path / "report.json").exists()


def test_a_photograph_that_goes_missing_is_named(photographs: Path) -> None:
    paths = [*list_photographs(photographs)[:1], photographs / "gone.png"]
    with pytest.raises(MissingPhotoError, match=r"gone\.png"):
        report.evaluate(paths, [make_baseline("grey", paths)], folder=photographs, half="all")

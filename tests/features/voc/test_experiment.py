"""photochrom voc from a checkpoint to the report, by the command line; interruptions and bad input."""

from __future__ import annotations

import csv
import json
import os
import signal
import sys
import types

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from photochrom.cli.voc import app
from photochrom.errors import DataError, ModelError, OutputError, PhotochromError, SettingError
from photochrom.features.trunk import load_trunk
from photochrom.features.voc import experiment as experiments
from photochrom.features.voc.body import Body
from photochrom.features.voc.classes import VOC_CLASSES
from photochrom.features.voc.classification import Classification, Classifier
from photochrom.features.voc.experiment import Experiment
from photochrom.features.voc.fine_tuning import Stopped
from photochrom.features.voc.layout import VocFolder
from photochrom.features.voc.settings import ClassificationSettings

pytestmark = pytest.mark.usefixtures("one_thread")
FEW = ["--set", "steps=3", "--set", "batch=2", "--workers", "0"]
SETTINGS = {
    "cls": ["--set", "size=64", "--set", "crops=2", "--set", "hidden=16"],
    "seg": ["--set", "skips=1"],
    "det": ["--set", "hidden=16", "--set", "short_side=96", "--set", "longest=128"],
}


@pytest.fixture
def voc(devkit, checkpoint, proposals_file, tmp_path):
    """photochrom voc TASK ... -o report; raises what the command raises."""

    def call(task, *args, data=devkit, start=checkpoint, code=0, output="report"):
        given = [task, str(start), "--data", str(data), "-o", str(tmp_path / output), *FEW, *SETTINGS[task], *args]
        given += ["--proposals", str(proposals_file)] if task == "det" and "--proposals" not in args else []
        result = CliRunner().invoke(app, given)
        if isinstance(result.exception, PhotochromError):
            raise result.exception
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return call


@pytest.mark.parametrize(
    ("task", "metrics"),
    [
        ("cls", {"eleven_point", "interpolated", "exact"}),
        ("seg", {"iou", "pixel_accuracy"}),
        ("det", {"eleven_point", "interpolated", "exact"}),
    ],
)
def test_a_report(voc, task, metrics, tmp_path):
    shown = voc(task).output
    folder = tmp_path / "report"
    assert {path.name for path in folder.iterdir()} == {"results.json", "results.csv", "weights.safetensors"}
    results = json.loads((folder / "results.json").read_text())
    assert results["task"] == task
    assert set(results["scores"]["means"]) == metrics
    assert (results["input"], results["weights"], results["tune"], results["stage"]) == (
        "grey",
        "trained",
        "all",
        "conv7",
    )
    assert results["settings"]["steps"] == 3
    assert results["data"]["test"] == ("val" if task == "seg" else "test")
    assert results["data"]["test_photographs"] == (4 if task == "seg" else 8)
    assert results["rescaled"] is True
    with (folder / "results.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["class"] for row in rows] == ["background"] * (task == "seg") + [*VOC_CLASSES, "mean"]
    headline = "iou" if task == "seg" else "exact"
    by_class = {row["class"]: row[headline] for row in results["scores"]["classes"]}
    for row in rows[:-1]:
        wanted = by_class[row["class"]]
        assert row[headline] == ("" if wanted is None else str(wanted))
    there = [value for value in by_class.values() if value is not None]
    assert np.isclose(results["scores"]["means"][headline], np.mean(there))
    assert "mean" in shown
    with safe_open(folder / "weights.safetensors", "pt") as file:
        assert file.metadata()["classes"] == ",".join(VOC_CLASSES)
        assert file.metadata()["task"] == task


def test_the_weights_are_those_that_were_tested(voc, checkpoint, devkit, tmp_path):
    voc("cls", "--no-rescale")
    settings = ClassificationSettings(size=64, crops=2, hidden=16)
    model = Classifier(Body(load_trunk(checkpoint)), 20, "all", settings).eval()
    model.load_state_dict(load_file(tmp_path / "report" / "weights.safetensors"))
    task = Classification(settings, "all")
    task.size = 64
    folder = VocFolder(devkit, "2007", VOC_CLASSES)
    data = task.read(folder, {name: folder.photograph(name) for name in folder.names("Main", "test")}, "test")
    scores = task.score(folder, data, task.predict(model, data, lambda i, n: None))
    results = json.loads((tmp_path / "report" / "results.json").read_text())
    assert np.isclose(scores.means["exact"], results["scores"]["means"]["exact"])


def test_rescaling_does_not_change_what_the_trunk_computes_up_to_a_factor(checkpoint, devkit):
    folder = VocFolder(devkit, "2007", VOC_CLASSES)
    paths = [folder.photograph(name) for name in folder.names("Main", "train")]

    def trunk(rescale):
        made = Experiment(str(checkpoint), folder, "train", "test", devkit, rescale=rescale)
        return experiments._trunk(made, paths)

    random = torch.rand(2, 1, 64, 64) * 100
    with torch.no_grad():
        plain, scaled = trunk(False)(random), trunk(True)(random)
    moved = 0
    for stage, features in plain.items():
        factor = (scaled[stage] * features).sum() / features.square().sum()
        assert torch.allclose(
            scaled[stage], factor * features, rtol=1e-3, atol=1e-4 * float(features.abs().max() * factor)
        )
        moved += abs(float(factor) - 1) > 0.01
    weights = zip(trunk(False).parameters(), trunk(True).parameters(), strict=True)
    assert any(not torch.allclose(a, b) for a, b in weights)


@pytest.mark.parametrize("start", ["gaussian", "kmeans"])
def test_the_same_network_untrained(voc, start, tmp_path):
    voc("cls", "--weights", start, "--tune", "fc8")
    results = json.loads((tmp_path / "report" / "results.json").read_text())
    assert (results["weights"], results["tune"]) == (start, "fc8")
    learnt = load_file(tmp_path / "report" / "weights.safetensors")
    assert learnt["fc8.weight"].shape == (20, learnt["body.trunk.network.model7.4.weight"].shape[0])


def test_colour(voc, tmp_path):
    voc("seg", "--input", "colour")
    learnt = load_file(tmp_path / "report" / "weights.safetensors")
    assert learnt["body.trunk.network.model1.0.ab.weight"].abs().max() > 0
    assert json.loads((tmp_path / "report" / "results.json").read_text())["input"] == "colour"


def test_colour_that_could_not_be_learnt_is_refused(voc):
    with pytest.raises(SettingError, match=r"--input colour with --tune fc8: .*expected --tune all"):
        voc("cls", "--input", "colour", "--tune", "fc8")


def test_other_classes(voc, own_devkit, tmp_path):
    names = tmp_path / "classes.txt"
    names.write_text("bird\ncar\nsheep\n")
    voc("cls", "--classes", str(names), data=own_devkit)
    results = json.loads((tmp_path / "report" / "results.json").read_text())
    assert [row["class"] for row in results["scores"]["classes"]] == ["bird", "car", "sheep"]


def test_nothing_is_overwritten(voc, tmp_path):
    voc("cls")
    before = {path.name: path.read_bytes() for path in (tmp_path / "report").iterdir()}
    with pytest.raises(OutputError, match=r"results\.json: the report is there already; choose another folder with -o"):
        voc("cls")
    assert {path.name: path.read_bytes() for path in (tmp_path / "report").iterdir()} == before


def test_an_interrupted_training_goes_on(voc, tmp_path, monkeypatch):
    voc("cls", "--set", "dropout=0.5", output="whole")
    whole = load_file(tmp_path / "whole" / "weights.safetensors")
    loss, calls = Classification.loss, []

    def interrupted(self, model, batch):
        calls.append(1)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return loss(self, model, batch)

    monkeypatch.setattr(Classification, "loss", interrupted)
    result = voc("cls", code=130)
    assert "--resume" in result.output
    assert [path.name for path in (tmp_path / "report").iterdir()] == ["last.ckpt"]
    monkeypatch.undo()
    with pytest.raises(DataError, match="holds a training that was interrupted; expected a new folder, or --resume"):
        voc("cls")
    with pytest.raises(SettingError, match="was trained with seed 0, now it is 1"):
        voc("cls", "--resume", "--seed", "1")
    voc("cls", "--resume")
    found = load_file(tmp_path / "report" / "weights.safetensors")
    assert all(torch.equal(found[key], value) for key, value in whole.items())
    assert not (tmp_path / "report" / "last.ckpt").exists()


def test_unreadable_photographs_are_left_out_named_and_counted(voc, own_devkit, tmp_path):
    for year in ("2007", "2012"):
        path = own_devkit / f"VOC{year}" / "JPEGImages" / "000003.jpg"
        path.write_bytes(path.read_bytes()[:500])
    for task in ("cls", "seg", "det"):
        result = voc(task, data=own_devkit, code=1, output=task)
        assert "1 photographs could not be read and were left out: 000003" in result.output
        results = json.loads((tmp_path / task / "results.json").read_text())
        assert list(results["left_out"]) == ["000003"]
        assert "000003.jpg: unreadable" in results["left_out"]["000003"]
        assert results["data"]["training_photographs"] == (3 if task == "seg" else 7)


def test_no_photograph_can_be_read(voc, own_devkit):
    for path in (own_devkit / "VOC2007" / "JPEGImages").iterdir():
        path.write_text("no photograph")
    with pytest.raises(DataError, match="none of the 8 photographs of trainval can be read"):
        voc("cls", data=own_devkit)


def test_photographs_without_objects_are_trained_and_tested_on(voc, own_devkit, tmp_path):
    from .miniature import xml

    for path in sorted((own_devkit / "VOC2007" / "Annotations").iterdir())[:4]:
        path.write_text(xml(path.stem, []))
    voc("det", data=own_devkit)
    results = json.loads((tmp_path / "report" / "results.json").read_text())
    assert results["data"]["training_photographs"] == results["data"]["test_photographs"] == 8


def test_what_is_wrong_is_named_before_anything_is_written(voc, own_devkit, tmp_path):
    with pytest.raises(ModelError, match=r"none\.safetensors"):
        voc("cls", start=tmp_path / "none.safetensors")
    with pytest.raises(DataError, match="nosuch"):
        voc("cls", "--train", "nosuch")
    with pytest.raises(SettingError, match=r"the stage is 'fc6'; eccv16 x0.0625 has: conv1"):
        voc("cls", "--stage", "fc6")
    with pytest.raises(SettingError, match="unknown key rate"):
        voc("seg", "--set", "rate=1")
    with pytest.raises(DataError, match="no boxes for 8 of 8 photographs"):
        np.savez(tmp_path / "empty.npz", a=np.ones((1, 4)))
        voc("det", "--proposals", str(tmp_path / "empty.npz"))
    (own_devkit / "VOC2007" / "Annotations" / "000005.xml").write_text("<annotation>\n<size/>\n</annotation>")
    with pytest.raises(DataError, match=r"000005\.xml, line 2: <size> has no <width>"):
        voc("det", data=own_devkit)
    assert not (tmp_path / "report").exists()


def test_a_network_without_named_stages(voc, tmp_path):
    save_file({"weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match=r"other\.safetensors"):
        voc("cls", start=tmp_path / "other.safetensors")


def test_selective_search_is_asked_for_before_anything_else(voc, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "cv2", types.SimpleNamespace(__version__="5.0"))
    with pytest.raises(SettingError, match="no selective search"):
        voc("det", "--proposals", "selective-search")
    assert not (tmp_path / "report").exists()


def test_the_supervised_trunk(voc, tmp_path):
    """Labels of ImageNet in grey and, by its own weights, in colour."""
    voc("cls", "--tune", "fc8", "--input", "colour", start="supervised")
    results = json.loads((tmp_path / "report" / "results.json").read_text())
    assert results["checkpoint"] == "supervised"
    with pytest.raises(SettingError, match="weights is 'kmeans' with supervised"):
        voc("cls", "--weights", "kmeans", start="supervised", output="other")


def test_stopped_carries_its_code():
    assert Stopped(143).code == 143

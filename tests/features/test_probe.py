"""photochrom probe: from checkpoints and labelled photographs to a report."""

import json
import logging
import shutil

import numpy as np
import pytest
import torch

from photochrom.cli import main
from photochrom.errors import DivergedError
from photochrom.features.labelled import find_labelled
from photochrom.features.linear_probe import ProbeSettings
from photochrom.features.probe import FeatureSettings, probe
from photochrom.features.subjects import find_subjects

pytestmark = pytest.mark.usefixtures("one_thread")

PROBES, FEATURES = ProbeSettings(epochs=4, lr=0.01), FeatureSettings(batch=16, workers=0)


@pytest.fixture(scope="module")
def run(saved_run):
    return saved_run("small/alexnet", "mine")


@pytest.fixture
def photochrom(monkeypatch, capfd, tmp_path):
    """photochrom probe ARGS...: exit code, stdout, stderr."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def call(*args):
        monkeypatch.setattr("sys.argv", ["photochrom", "probe", *map(str, args)])
        with pytest.raises(SystemExit) as exit_:
            main()
        return (int(exit_.value.code or 0), *capfd.readouterr())

    return call


def test_cut_outs_of_four_photographs_are_told_apart(run, class_folders):
    labelled = find_labelled(class_folders)
    (found,) = probe(find_subjects([run], [], labelled), labelled, PROBES, FEATURES)
    assert found.rows.tolist() == np.flatnonzero(labelled.is_test).tolist()
    assert (found.ranks == 0).mean() > 0.5 and ((found.ranks == 0).mean(0) > 0.4).all()  # chance is 0.25
    assert ((found.ranks >= 0) & (found.ranks < 4)).all()
    assert (found.training_top_1 > 0.5).all()


def test_shuffled_labels_are_not_learnt(run, class_folders):
    """What the figures measure is the classes: without them it is chance."""
    labelled = find_labelled(class_folders)
    labelled.labels[:] = np.random.default_rng(0).permutation(labelled.labels)
    (found,) = probe(find_subjects([run], [], labelled), labelled, PROBES, FEATURES)
    assert (found.ranks == 0).mean() < 0.5


def test_features_too_large_to_keep_give_the_same(run, class_folders, caplog):
    labelled = find_labelled(class_folders)
    subjects = find_subjects([run], [], labelled)
    (stored,) = probe(subjects, labelled, PROBES, FEATURES)
    with caplog.at_level(logging.WARNING):
        (live,) = probe(subjects, labelled, PROBES, FeatureSettings(batch=16, workers=0, store=0))
    assert "computed again in each epoch" in caplog.text
    assert (stored.rows == live.rows).all() and (stored.ranks == live.ranks).mean() > 0.95


def test_figures_are_kept_and_only_what_is_new_is_computed(run, class_folders, tmp_path, monkeypatch):
    labelled = find_labelled(class_folders)
    said = []

    def probed(baselines, probes=PROBES, features=FEATURES):
        said.clear()
        return probe(
            find_subjects([run], baselines, labelled), labelled, probes, features, cache=tmp_path / "cache",
            progress=lambda what, done, total: said.append(what),
        )  # fmt: skip

    (first,) = probed([])
    assert not any("kept" in what for what in said)
    again, gaussian = probed(["gaussian"])
    assert "mine: kept from an earlier run" in said and not any(what.startswith("mine: epochs") for what in said)
    assert (again.ranks == first.ranks).all() and (again.training_top_1 == first.training_top_1).all()
    assert (gaussian.ranks != first.ranks).any()
    for other in ({"probes": ProbeSettings(epochs=3)}, {"features": FeatureSettings(mirror=False, workers=0)}):
        probed([], **other)
        assert not any("kept" in what for what in said)
    probed([], features=FeatureSettings(batch=16, workers=1, store=3))  # how, not what
    assert any("kept" in what for what in said)


def test_the_command_writes_a_report(photochrom, run, class_folders, tmp_path):
    args = (run, "--data", class_folders, "--epochs", 2, "--workers", 0, "-o", tmp_path / "report")
    code, out, err = photochrom(*args, "--baseline", "gaussian", "--baseline", "kmeans")
    assert code == 0, err
    assert "4 classes, " in out and "kmeans alexnet x0.0625" in out and "chance: 25.00%" in out
    assert "mine: features" in err and "mine: epochs" in err
    content = json.loads((tmp_path / "report" / "probe.json").read_text())
    assert [system["name"] for system in content["systems"]] == [
        "mine", "gaussian alexnet x0.0625", "kmeans alexnet x0.0625",
    ]  # fmt: skip
    assert list(content["systems"][0]["stages"]) == ["conv1", "conv2", "conv3", "conv4", "conv5"]
    assert content["settings"]["ProbeSettings"]["epochs"] == 2
    assert content["command"].startswith("photochrom probe") and content["training_photographs"] > 60
    code, out, err = photochrom(*args)
    assert code == 1 and "probe.json: the output exists already" in err
    code, out, err = photochrom(*args, "--overwrite")
    assert code == 0 and "kept from an earlier run" in err


def test_unreadable_photographs_are_named_and_tell_the_exit_code(photochrom, run, class_folders, tmp_path):
    shutil.copytree(class_folders, tmp_path / "data")
    (tmp_path / "data" / "coffee" / "coffee-03.png").write_bytes(b"spilt")
    code, out, _ = photochrom(run, "--data", tmp_path / "data", "--epochs", 1, "--workers", 0, "-o", tmp_path / "r")
    assert code == 1 and "1 unreadable, left out: coffee/coffee-03.png" in out
    assert list(json.loads((tmp_path / "r" / "probe.json").read_text())["unreadable"]) == ["coffee/coffee-03.png"]


def test_wrong_use_is_said_before_any_work(photochrom, run, class_folders, saved_run, tmp_path):
    output = ("-o", tmp_path / "r")
    for args, code, message in (
        (
            (saved_run("small/dahl", "dahl"), "--data", class_folders),
            2,
            "its network is dahl, which has no named stages",
        ),
        ((run, "--data", class_folders, "--baseline", "best"), 2, "--baseline is 'best'; expected one of: gaussian"),
        ((run, "--data", class_folders, "--only", "^coffee"), 1, "only the class 'coffee'"),
        ((run, "--data", class_folders / "coffee"), 1, "none of the 24 photographs has a class"),
        ((run, "--data", class_folders, "--size", 33), 2, "--size is 33; expected a multiple of 32"),
        ((run, "--data", class_folders, "--epochs", 0), 2, "epochs is 0"),
        ((run, "--data", tmp_path / "nowhere"), 1, "nowhere: not there"),
        ((tmp_path / "gone", "--data", class_folders), 1, "gone: not there"),
    ):
        found, _, err = photochrom(*args, *output)
        assert (found, message in err) == (code, True), err
        assert not (tmp_path / "r").exists()


def test_divergence_is_an_error(run, class_folders):
    labelled = find_labelled(class_folders)
    subjects = find_subjects([run], [], labelled)
    with torch.no_grad():
        subjects[0].make().network.conv2[0].weight.mul_(float("nan"))
    with pytest.raises(DivergedError, match="the classifier on conv2"):
        probe(subjects, labelled, PROBES, FEATURES)

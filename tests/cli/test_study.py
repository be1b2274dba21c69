"""photochrom study build | report: what they make, say and refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from skimage import data
from sklearn.datasets import load_sample_image

from photochrom.study import answers_file
from photochrom.study.plan import load_study
from photochrom.study.simulation import Population, simulated_answers

from .conftest import Run

PHOTOGRAPHS = 62


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """62 colour photographs of 256 pixels (squares out of five), and a grey one."""
    folder = tmp_path_factory.mktemp("album")
    whole = [
        data.astronaut(),
        data.coffee(),
        data.rocket(),
        load_sample_image("china.jpg"),
        load_sample_image("flower.jpg"),
    ]
    for number in range(PHOTOGRAPHS):
        rgb = whole[number % 5]
        step = number // 5
        top, left = (rgb.shape[0] - 256) * (step % 4) // 3, (rgb.shape[1] - 256) * (step // 4) // 3
        Image.fromarray(rgb[top : top + 256, left : left + 256]).save(folder / f"{number:02d}.png", compress_level=1)
    Image.fromarray(data.camera()).save(folder / "camera.png")
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_build_and_report(run: Run, album: Path, tiny_model: Path, here: Path) -> None:
    built = run("study", "build", "--data", album, "--model", tiny_model, "--threads", 1,
                "--title", "Which one?", "--seed", 4, "-o", "my study")  # fmt: skip
    assert built.code == 0, built.err
    assert "left out: camera.png: nearly grey: fewer than 5% of its pixels" in built.err
    assert "my study: 62 photographs by tiny; left out 1: 1 nearly grey\n" in built.err
    assert "Next: photochrom study serve 'my study'" in built.err
    study = load_study(here / "my study")
    assert (study.title, study.seed, study.algorithms) == ("Which one?", 4, ("tiny",))
    assert study.notes["tiny"].startswith("tiny 7, sha256 ")

    nobody = run("study", "report", "my study", "-o", "report")
    assert nobody.code == 1 and "nobody has taken part yet" in nobody.err
    assert not (here / "report").exists()

    trials = simulated_answers(study, Population(0.3, 0.4, 0.7), 12)
    answers_file.write(here / "one.json", trials[:300], study.identity)
    answers_file.write(here / "two.csv", trials[300:], study.identity)
    answers_file.write(here / "other.csv", trials, "fedcba9876543210")
    report = run("study", "report", "my study", "--answers", "one.json", "--answers", "two.csv", "-o", "report")
    assert report.code == 0, report.err
    assert "tiny  taken for real in " in report.out and "of 432 trials by 12 participants, 0 excluded" in report.out
    found = json.loads((here / "report" / "report.json").read_text())
    assert found["command"].startswith("photochrom study report 'my study' --answers one.json")
    assert found["participants"] == 12 and found["photographs_left_out"].keys() == {"camera.png"}

    other = run("study", "report", "my study", "--answers", "other.csv", "-o", "other")
    assert other.code == 1 and "other.csv, line 2: the answers are of another study (fedcba9876543210)" in other.err
    again = run("study", "report", "my study", "--answers", "one.json", "-o", "report")
    assert again.code == 1 and "the output exists already; use --overwrite" in again.err
    twice = run("study", "report", "my study", "--answers", "one.json", "--answers", "one.json", "-o", "other")
    assert twice.code == 1 and "one.json, one.json: participant 00000000 has two records" in twice.err


def test_build_refuses(run: Run, album: Path, tiny_model: Path, here: Path) -> None:
    (here / "there").mkdir()
    for arguments, code, message in (
        (["--data", album, "-o", "study"], 2, "nothing to judge; expected at least one --model or --baseline"),
        (["--data", album, "--baseline", "truth", "-o", "there"], 1, "there: exists already; choose another folder"),
        (["--data", album, "--baseline", "sepia", "-o", "study"], 2, "baseline is 'sepia'; expected one of constant"),
        (["--data", album, "--baseline", "grey", "-o", "study"], 2, "'grey' (next to grey the colour"),
        (["--data", album, "--baseline", "truth", "--limit", 59, "-o", "study"], 2, "limit is 59; expected at"),
        (["--data", album, "--baseline", "truth", "--half", "odd", "-o", "study"], 1,
         "31 photographs, of which 31 can be used; expected at least 60 photographs that can be used: 10 for practice"),
        (["--data", "nowhere", "--baseline", "truth", "-o", "study"], 1, "nowhere: not a folder"),
        (["--data", album, "--model", "nowhere.onnx", "-o", "study"], 2, "nowhere.onnx"),
    ):  # fmt: skip
        result = run("study", "build", *arguments)
        assert (result.code, message in result.err) == (code, True), result.err
    assert [path.name for path in here.iterdir()] == ["there"] and not list((here / "there").iterdir())


def test_report_refuses(run: Run, here: Path) -> None:
    result = run("study", "report", here, "-o", "report")
    assert result.code == 1 and "no study.json in it; expected the folder of a study" in result.err


def test_help_lists_all_commands(run: Run) -> None:
    result = run("study", "--help")
    assert result.code == 0
    for command in ("build", "serve", "report", "export", "import", "delete"):
        assert f"\n  {command} " in result.out

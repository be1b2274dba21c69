"""A run on a few photographs: learns, logs, stops cleanly, and goes on after kill -9 as if nothing had happened."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from photochrom.errors import DataError, RecipeError
from photochrom.training.recipe import load_recipe
from photochrom.training.run import train

SETTINGS = [
    "network.name=eccv16", "network.width=0.0625", "network.pretrained=false", "data.size=32", "data.gamma=0.1",
    "data.workers=0", "training.batch=4", "training.visits=240", "training.threads=1", "training.checkpoint_every=5",
    "training.validate_every=20", "training.log_every=1", "training.ema=0.9", "schedule.warmup=4",
    "optimizer.lr=1e-3", "loss.prior_photographs=20",
]  # fmt: skip


def lines(run):
    file = run / "log.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def start(data, run, *more):
    words = [arg for setting in SETTINGS for arg in ("--set", setting)]
    command = [sys.executable, "-c", "from photochrom.cli import main; main()", "train", "lite"]
    return subprocess.Popen(
        [*command, "--data", str(data), "-o", str(run), *words, *more],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )


def wait_for_step(process, run, step):
    deadline = time.monotonic() + 120
    while not (lines(run) and lines(run)[-1]["step"] >= step and (run / "last.ckpt").exists()):
        assert process.poll() is None, process.stderr.read().decode()[-2000:]
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def whole_run(photo_tars, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "whole"
    assert train(load_recipe("lite", SETTINGS), photo_tars, run) == 0
    return run


def weights(run):
    content = torch.load(run / "last.ckpt", weights_only=True)
    assert content["global_step"] == 60
    return content["state_dict"], content["current_model_state"]  # averaged, current


def test_leaves_what_it_promises(whole_run):
    described = json.loads((whole_run / "run.json").read_text())
    assert described["recipe"]["training"]["visits"] == 240
    assert described["data"]["photographs"] > 30 and len(described["data"]["fingerprint"]) == 64
    assert [line["step"] for line in lines(whole_run) if "loss" in line] == list(range(1, 61))
    assert list(whole_run.glob("events*")) and (whole_run / "prior.npz").exists()


def test_learns(whole_run):
    losses = [line["loss"] for line in lines(whole_run) if "loss" in line]
    assert sum(losses[-8:]) < 0.9 * sum(losses[:8])


def test_kill_and_resume_gives_the_same_weights_bit_for_bit(photo_tars, whole_run, tmp_path):
    run = tmp_path / "killed"
    process = start(photo_tars, run)
    wait_for_step(process, run, 37)
    process.kill()
    process.communicate()
    assert lines(run)[-1]["step"] < 60
    process = start(photo_tars, run, "--resume")
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors.decode()[-2000:]
    for found, expected in zip(weights(run), weights(whole_run), strict=True):
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[key], expected[key]) for key in expected)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_save_and_exit(photo_tars, tmp_path, number, code):
    run = tmp_path / "stopped"
    process = start(photo_tars, run, "--set", "training.visits=400000", "--set", "training.checkpoint_every=100000")
    deadline = time.monotonic() + 120
    while not lines(run):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    _, errors = process.communicate(timeout=100)
    assert process.returncode == code, errors.decode()[-2000:]
    assert torch.load(run / "last.ckpt", weights_only=True)["global_step"] >= 1


def test_a_run_is_never_overwritten(photo_tars, whole_run):
    with pytest.raises(DataError, match="--resume"):
        train(load_recipe("lite", SETTINGS), photo_tars, whole_run)


def test_resuming_needs_a_checkpoint(photo_tars, tmp_path):
    with pytest.raises(DataError, match=r"last\.ckpt"):
        train(load_recipe("lite", SETTINGS), photo_tars, tmp_path / "new", resume=True)


@pytest.mark.parametrize(
    ("setting", "message"),
    [("data.size=48", "multiple of 32"), ("network.name=vgg", "vgg"), ("optimizer.name=sgd", "sgd")],
)
def test_unusable_values_are_named(photo_tars, tmp_path, setting, message):
    with pytest.raises(RecipeError, match=message):
        train(load_recipe("lite", [*SETTINGS, setting]), photo_tars, tmp_path / "run")


def test_a_finished_run_can_be_prolonged(photo_tars, whole_run, tmp_path):
    """20 + 40 steps give what 60 give: the constant rate first, so that the end of the shorter run does not matter."""
    constant = [*SETTINGS, "schedule.decay=0.0"]
    train(load_recipe("lite", constant), photo_tars, tmp_path / "whole")
    train(load_recipe("lite", [*constant, "training.visits=80"]), photo_tars, tmp_path / "parts")
    train(load_recipe("lite", constant), photo_tars, tmp_path / "parts", resume=True)
    for found, expected in zip(weights(tmp_path / "parts"), weights(tmp_path / "whole"), strict=True):
        assert all(torch.equal(found[key], expected[key]) for key in expected)
    averaged, current = weights(tmp_path / "whole")
    assert not torch.equal(averaged["network.model1.0.weight"], current["network.model1.0.weight"])

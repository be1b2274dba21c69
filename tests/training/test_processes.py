"""torchrun and SLURM are recognised; two processes train as one does."""

import json
import os
import subprocess
import sys

import pytest

from photochrom.errors import SettingError
from photochrom.training.processes import Processes, processes

SETTINGS = [
    "network.name=eccv16", "network.width=0.0625", "network.pretrained=false", "network.frozen_norm=true",
    "data.size=32", "data.gamma=0.2", "data.workers=0", "training.batch=16", "training.visits=320",
    "training.threads=1", "training.log_every=1", "training.validate_every=1000", "schedule.warmup=0",
    "optimizer.lr=1e-4", "loss.prior_photographs=20",
]  # fmt: skip


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Processes(1, 1)),
        ({"TORCHELASTIC_RUN_ID": "none", "LOCAL_WORLD_SIZE": "8", "WORLD_SIZE": "16"}, Processes(2, 8)),
        ({"SLURM_NTASKS": "8", "SLURM_NNODES": "2"}, Processes(2, 4)),
        ({"SLURM_NTASKS": "8", "SLURM_NNODES": "2", "SLURM_JOB_NAME": "bash"}, Processes(1, 1)),
    ],
)
def test_what_started_this(environment, expected, monkeypatch):
    for name in [name for name in os.environ if name.startswith(("SLURM_", "TORCHELASTIC_"))]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert processes() == expected


def test_an_environment_that_makes_no_sense(monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(SettingError, match="WORLD_SIZE is 4; expected a multiple of LOCAL_WORLD_SIZE, 3"):
        processes()
    monkeypatch.delenv("WORLD_SIZE")
    with pytest.raises(SettingError, match="WORLD_SIZE is ''"):
        processes()


def losses(launcher, data, run, *more):
    words = [word for setting in (*SETTINGS, *more) for word in ("--set", setting)]
    command = [sys.executable, "-m", *launcher, "train", "full", "--data", str(data), "-o", str(run), *words]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return {line["step"]: line["loss"] for line in lines if "loss" in line}


def test_two_processes_and_accumulation_train_as_one_process_does(photo_tars, tmp_path):
    one = losses(["photochrom"], photo_tars, tmp_path / "one")
    assert sorted(one) == list(range(1, 21))
    two = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "photochrom"]
    found = losses(two, photo_tars, tmp_path / "two")
    assert sorted(found) == sorted(one)
    assert max(abs(found[step] - one[step]) for step in one) < 1e-4
    assert json.loads((tmp_path / "two" / "run.json").read_text())["processes"] == {"nodes": 1, "here": 2}

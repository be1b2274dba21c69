"""A full disk and a diverged training leave the last good checkpoint."""

import subprocess

import pytest
import torch

from photochrom.errors import DataError, DivergedError, OutputError, RecipeError
from photochrom.training.checkpoints import AtomicCheckpoints, read_checkpoint, refuse_another
from photochrom.training.recipe import load_recipe
from photochrom.training.run import train

SETTINGS = [
    "network.width=0.0625", "network.initialisation=default", "data.size=32", "data.workers=0", "training.batch=4",
    "training.threads=1", "training.checkpoint_every=2", "training.log_every=1", "training.validate_every=1000",
    "loss.prior_photographs=20",
]  # fmt: skip


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_the_previous_checkpoint(small_disk):
    checkpoints, target = AtomicCheckpoints(), small_disk / "last.ckpt"
    checkpoints.save_checkpoint({"step": 1}, target)
    before = target.read_bytes()
    with pytest.raises(OutputError, match=r"last\.ckpt"):
        checkpoints.save_checkpoint({"step": 2, "weights": torch.zeros(2**20)}, target)
    assert target.read_bytes() == before
    assert [path.name for path in small_disk.iterdir()] == ["last.ckpt"]


def test_a_loss_that_is_no_number_stops_the_training(photo_tars, tmp_path):
    settings = [*SETTINGS, "training.visits=40", "loss.name=regression", "optimizer.lr=1e20"]
    with pytest.raises(DivergedError, match="the loss was not a finite number"):
        train(load_recipe("full", settings), photo_tars, tmp_path / "run")
    if (tmp_path / "run" / "last.ckpt").exists():
        state = read_checkpoint(tmp_path / "run")["state_dict"]
        assert all(torch.isfinite(value).all() for value in state.values())


def test_the_checkpoint_before_the_divergence_is_kept(photo_tars, tmp_path):
    run = tmp_path / "run"
    assert train(load_recipe("full", [*SETTINGS, "training.visits=16"]), photo_tars, run) == 0
    before = (run / "last.ckpt").read_bytes()
    content = torch.load(run / "last.ckpt", weights_only=True)
    content["state_dict"]["network.model1.0.weight"].fill_(torch.nan)
    torch.save(content, run / "last.ckpt")
    poisoned = (run / "last.ckpt").read_bytes()
    with pytest.raises(DivergedError):
        train(load_recipe("full", [*SETTINGS, "training.visits=40"]), photo_tars, run, resume=True)
    assert (run / "last.ckpt").read_bytes() == poisoned != before


@pytest.mark.parametrize(
    "setting", ["network.width=0.125", "loss.name=regression", "training.batch=8", "network.name=dahl"]
)
def test_a_checkpoint_of_another_network_is_refused(setting, photo_tars, tmp_path):
    run = tmp_path / "run"
    settings = [*SETTINGS, "training.visits=8"]
    assert train(load_recipe("full", settings), photo_tars, run) == 0
    with pytest.raises(RecipeError, match="was trained with " + setting.partition("=")[0]):
        refuse_another(run / "last.ckpt", load_recipe("full", [*settings, setting]))


def test_code_and_garbage_are_not_read(tmp_path):
    (tmp_path / "last.ckpt").write_bytes(b"garbage")
    with pytest.raises(DataError, match="not a checkpoint that can be read safely"):
        read_checkpoint(tmp_path)

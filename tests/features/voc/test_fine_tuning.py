"""The loop: what it updates, that it goes on exactly where it was, and how it ends early."""

from __future__ import annotations

import dataclasses
import os
import signal

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from photochrom.errors import DataError, DivergedError, SettingError
from photochrom.features.voc.fine_tuning import Saving, Stopped, fine_tune
from photochrom.features.voc.settings import Schedule

pytestmark = pytest.mark.usefixtures("one_thread")
SCHEDULE = Schedule(
    steps=12, batch=4, lr=0.05, momentum=0.9, weight_decay=0.01, step_every=5, step_factor=0.5, clip=0.0, dropout=0.0,
    hidden=0,
)  # fmt: skip


class Numbers:
    """10 points of a plane with noise that is drawn anew each time."""

    def __init__(self):
        self.seen = []

    def __len__(self):
        return 10

    def draw(self, index, random):
        self.seen.append(index)
        x = np.random.default_rng(index).normal(size=3)
        return torch.tensor(x, dtype=torch.float32), torch.tensor(x.sum() + random.normal() * 0.1, dtype=torch.float32)


def network(dropout=0.0):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(dropout), nn.Linear(4, 1))


def loss_of(model):
    def loss(batch):
        x, y = (torch.stack(parts) for parts in zip(*batch, strict=True))
        return functional.mse_loss(model(x)[:, 0], y)

    return loss


def test_each_epoch_shows_each_photograph_once():
    samples, model = Numbers(), network()
    fine_tune(model, samples, loss_of(model), dataclasses.replace(SCHEDULE, steps=5))
    assert sorted(samples.seen[:10]) == sorted(samples.seen[10:]) == list(range(10))
    assert samples.seen[:10] != samples.seen[10:]


def test_steps_are_those_of_sgd_written_out():
    """Momentum, decay of weights alone, twice the rate for biases, the rate in steps."""
    model, wanted = network(), network()
    wanted.eval()
    seen = []

    def record(batch):
        seen.append(batch)
        return loss_of(model)(batch)

    fine_tune(model, Numbers(), record, SCHEDULE)
    speed = {name: torch.zeros_like(p) for name, p in wanted.named_parameters()}
    for step, batch in enumerate(seen):
        wanted.zero_grad()
        loss_of(wanted)(batch).backward()
        with torch.no_grad():
            for name, p in wanted.named_parameters():
                decay = 0.01 if p.ndim > 1 else 0
                rate = 0.05 * 0.5 ** (step // 5) * (2 if name.endswith("bias") else 1)
                speed[name] = 0.9 * speed[name] + p.grad + decay * p
                p -= rate * speed[name]
    for name, p in model.named_parameters():
        assert torch.allclose(p, wanted.get_parameter(name), atol=1e-6), name


def test_batch_norms_keep_their_statistics_and_frozen_layers_their_weights():
    model = network()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model[0].requires_grad_(False)
    fine_tune(model, Numbers(), loss_of(model), SCHEDULE)
    after = model.state_dict()
    for key in ("0.weight", "0.bias", "1.running_mean", "1.running_var", "1.num_batches_tracked"):
        assert torch.equal(after[key], before[key]), key
    assert not torch.equal(after["3.weight"], before["3.weight"])
    assert not model.training


def test_clipping_bounds_a_step():
    model = network()
    before = torch.cat([p.detach().flatten().clone() for p in model.parameters()])
    plain = dataclasses.replace(SCHEDULE, steps=1, momentum=0.0, weight_decay=0.0, clip=0.01, lr=1.0)
    fine_tune(model, Numbers(), lambda batch: 100 * loss_of(model)(batch), plain)
    moved = torch.cat([p.detach().flatten() for p in model.parameters()]) - before
    assert 0 < float(moved.norm()) <= 0.02 * 1.01  # biases move twice as far


@pytest.mark.parametrize("workers", [0, 1])
def test_a_training_goes_on_exactly_where_it_was(tmp_path, workers):
    whole = network(0.5)
    fine_tune(whole, Numbers(), loss_of(whole), SCHEDULE, seed=3)
    first = network(0.5)
    saving = Saving(tmp_path / "last.ckpt", {"task": "test"})
    calls = []

    def interrupted(batch):
        calls.append(1)
        if len(calls) == 7:
            os.kill(os.getpid(), signal.SIGTERM)
        return loss_of(first)(batch)

    with pytest.raises(Stopped) as caught:
        fine_tune(first, Numbers(), interrupted, SCHEDULE, seed=3, saving=saving, workers=workers)
    assert caught.value.code == 143
    assert len(calls) == 7
    second = network(0.5)
    second[0].weight.data.zero_()  # all of it comes from the file
    again = dataclasses.replace(saving, resume=True)
    fine_tune(second, Numbers(), loss_of(second), SCHEDULE, seed=3, saving=again, workers=workers)
    for key, value in whole.state_dict().items():
        assert torch.equal(second.state_dict()[key], value), key
    # And once it is done there is nothing left to do.
    assert fine_tune(network(0.5), Numbers(), loss_of(second), SCHEDULE, seed=3, saving=again) == []


def test_ctrl_c(tmp_path):
    model = network()

    def interrupted(batch):
        os.kill(os.getpid(), signal.SIGINT)
        return loss_of(model)(batch)

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(Stopped) as caught:
        fine_tune(model, Numbers(), interrupted, SCHEDULE, saving=Saving(tmp_path / "last.ckpt", {}))
    assert caught.value.code == 130
    assert signal.getsignal(signal.SIGINT) is handler
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]


def test_what_cannot_go_on(tmp_path):
    model = network()
    file = tmp_path / "last.ckpt"
    resume = Saving(file, {"task": "cls", "seed": 1}, resume=True)
    with pytest.raises(DataError, match=r"last\.ckpt: not there; expected a training that was interrupted"):
        fine_tune(model, Numbers(), loss_of(model), SCHEDULE, saving=resume)
    fine_tune(model, Numbers(), loss_of(model), SCHEDULE, saving=dataclasses.replace(resume, resume=False))
    other = Saving(file, {"task": "cls", "seed": 2}, resume=True)
    with pytest.raises(SettingError, match=r"was trained with seed 1, now it is 2; expected the same"):
        fine_tune(model, Numbers(), loss_of(model), SCHEDULE, saving=other)
    file.write_bytes(b"no checkpoint")
    with pytest.raises(DataError, match="not a checkpoint of `photochrom voc`"):
        fine_tune(model, Numbers(), loss_of(model), SCHEDULE, saving=resume)


def test_a_loss_that_is_no_number_ends_it():
    model = network()
    with pytest.raises(DivergedError, match=r"the loss is (nan|inf) at step 10, at a rate of .*try a lower rate"):
        fine_tune(model, Numbers(), lambda batch: loss_of(model)(batch) * torch.inf, SCHEDULE)

"""The fine-tuning loop: stochastic gradient descent in plain PyTorch, which resumes exactly after an interruption.

The sample at position p of the training (photograph and crop) is a function of the seed and p, and dropout of the seed
and the step: an interrupted training gives the same result as an uninterrupted one.
"""

from __future__ import annotations

import dataclasses
import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.data import DataLoader, Dataset

from ...atomic_file import part_file
from ...errors import DataError, DivergedError, SettingError
from .settings import Schedule

BIAS_RATE = 2.0  # of biases, as a multiple of that of weights
LOOK_EVERY = 10  # steps: reading the loss makes a GPU wait
Progress = Callable[[int, float], None]  # (steps done, loss)


class Samples(Protocol):
    """Training data: how many photographs, and one sample of photograph `index`, with what is random from `random`."""

    def __len__(self) -> int: ...

    def draw(self, index: int, random: np.random.Generator) -> Any: ...


class Stopped(Exception):
    """A signal ended the training; all that was learnt is saved. code: the exit code, 130 or 143."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclasses.dataclass(frozen=True)
class Saving:
    """Where a training saves its state to resume. resume: go on from there; identity: what must be the same then
    (settings, data); minutes: between two savings."""

    file: Path
    identity: dict[str, Any]
    resume: bool = False
    minutes: float = 10.0


def fine_tune(
    model: nn.Module,
    samples: Samples,
    loss: Callable[[list[Any]], Tensor],
    schedule: Schedule,
    *,
    seed: int = 0,
    workers: int = 0,
    saving: Saving | None = None,
    progress: Progress = lambda done, loss: None,
) -> list[float]:
    """Train the parameters of `model` that want gradients; batch norms keep their statistics. Returns the losses, every
    LOOK_EVERY steps. loss: of a list of samples; workers: processes that draw these.

    Raises DivergedError, DataError and SettingError (nothing to resume, or another training's), and Stopped on Ctrl-C
    and SIGTERM.
    """
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.SGD(_groups(parameters, schedule), lr=schedule.lr, momentum=schedule.momentum)
    first = _load(model, optimizer, saving) if saving and saving.resume else 0
    model.train()
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.eval()  # the batches are too small for batch statistics
    losses: list[float] = []
    saved = time.monotonic()
    positions = _Positions(first, schedule.steps, schedule.batch)
    loader = DataLoader(
        _Drawn(samples, seed), batch_sampler=positions, collate_fn=list, num_workers=workers, worker_init_fn=_one_thread
    )
    with _signals() as stop:
        for step, batch in enumerate(loader, first):
            torch.manual_seed(seed * 1_000_003 + step)  # dropout's
            rate = schedule.step_factor ** (step // schedule.step_every) if schedule.step_every else 1.0
            for group in optimizer.param_groups:
                group["lr"] = schedule.lr * rate * group["multiple"]
            optimizer.zero_grad()
            value = loss(batch)
            value.backward()
            if schedule.clip:
                torch.nn.utils.clip_grad_norm_(parameters.values(), schedule.clip)
            optimizer.step()
            done = step + 1
            if done % LOOK_EVERY == 0 or done == schedule.steps:
                losses.append(value.item())
                if not math.isfinite(losses[-1]):
                    raise DivergedError(
                        f"the loss is {losses[-1]} at step {done}, at a rate of {schedule.lr * rate:g}; expected a "
                        "finite number: try a lower rate (--set lr=...), and rescaling if it was switched off"
                    )
                progress(done, losses[-1])
            due = saving is not None and time.monotonic() - saved > 60 * saving.minutes
            if saving and (due or stop or done == schedule.steps):
                _save(model, optimizer, done, saving)
                saved = time.monotonic()
            if stop:
                raise Stopped(stop[0])
    model.eval()
    return losses


def _groups(parameters: dict[str, nn.Parameter], schedule: Schedule) -> list[dict[str, Any]]:
    """Weights; biases; and the scales of norms, which do not decay either."""
    biases = [p for name, p in parameters.items() if name.rpartition(".")[2] == "bias"]
    scales = [p for name, p in parameters.items() if name.rpartition(".")[2] != "bias" and p.ndim == 1]
    weights = [p for p in parameters.values() if p.ndim > 1]
    return [
        {"params": weights, "multiple": 1.0, "weight_decay": schedule.weight_decay},
        {"params": biases, "multiple": BIAS_RATE, "weight_decay": 0.0},
        {"params": scales, "multiple": 1.0, "weight_decay": 0.0},
    ]


class _Positions:
    """The positions of each step's samples."""

    def __init__(self, first: int, steps: int, batch: int) -> None:
        self.first, self.steps, self.batch = first, steps, batch

    def __len__(self) -> int:
        return max(0, self.steps - self.first)

    def __iter__(self) -> Iterator[list[int]]:
        return (list(range(step * self.batch, (step + 1) * self.batch)) for step in range(self.first, self.steps))


class _Drawn(Dataset[Any]):
    """position -> a sample; every epoch shows every photograph once, in an order of its own."""

    def __init__(self, samples: Samples, seed: int) -> None:
        self.samples, self.seed = samples, seed
        self._order: tuple[int, np.ndarray] = (-1, np.zeros(0, np.int64))

    def __getitem__(self, position: int) -> Any:
        epoch, place = divmod(position, len(self.samples))
        if self._order[0] != epoch:
            self._order = epoch, np.random.default_rng((self.seed, 0, epoch)).permutation(len(self.samples))
        return self.samples.draw(int(self._order[1][place]), np.random.default_rng((self.seed, 1, position)))


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the main one ends the others


def _save(model: nn.Module, optimizer: torch.optim.Optimizer, done: int, saving: Saving) -> None:
    content = {
        "voc": saving.identity,
        "step": done,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    with part_file(saving.file, overwrite=True) as part:
        torch.save(content, part)


def _load(model: nn.Module, optimizer: torch.optim.Optimizer, saving: Saving) -> int:
    """The step to go on at."""
    try:
        content = torch.load(saving.file, map_location="cpu", weights_only=True)
        found = content["voc"]
    except FileNotFoundError as error:
        raise DataError(
            f"{saving.file}: not there; expected a training that was interrupted, or no --resume"
        ) from error
    except Exception as error:  # the exception that torch.load raises depends on the damage
        raise DataError(f"{saving.file}: not a checkpoint of `photochrom voc` ({error})") from error
    for key, wanted in saving.identity.items():
        if found.get(key) != wanted:
            raise SettingError(
                f"{saving.file}: was trained with {key} {found.get(key)!r}, now it is {wanted!r}; expected the same"
            )
    model.load_state_dict(content["model"])
    optimizer.load_state_dict(content["optimizer"])
    return int(content["step"])


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Ctrl-C and SIGTERM end the training after the step: the list then holds the exit code."""
    stop: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        stop.append(128 + number)

    try:
        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread: no signals to catch
        yield stop
        return
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

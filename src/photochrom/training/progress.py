"""Progress of a training: a bar with loss, images/s and time left on a terminal; elsewhere an occasional line."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

LINE_EVERY = 60.0  # seconds, where stderr is no terminal
LOOK_EVERY = 10  # steps: reading the loss makes a GPU wait


class TrainingProgress(Callback):
    """steps: of the whole training; batch: photographs of a step, over all processes."""

    def __init__(self, steps: int, batch: int) -> None:
        self.steps, self.batch = steps, batch
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._first = self._shown = 0
        self._began = self._line_at = 0.0

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        self._first = self._shown = trainer.global_step
        self._began = self._line_at = time.monotonic()
        if sys.stderr.isatty():
            columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
            self._bar = Progress(*columns, console=Console(stderr=True))
            self._task = self._bar.add_task("", total=self.steps, completed=self._first)
            self._bar.start()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        step = trainer.global_step
        if not trainer.is_global_zero or step == self._shown or (step % LOOK_EVERY and step != self.steps):
            return
        self._shown = step
        now = time.monotonic()
        rate = (step - self._first) / max(now - self._began, 1e-9)  # steps a second
        left = timedelta(seconds=round((self.steps - step) / max(rate, 1e-9)))
        text = f"loss {float(pl_module.step_loss):.3f}, {rate * self.batch:.0f} images/s, {left} left"
        if self._bar is not None:
            self._bar.update(self._task, completed=step, description=text)
        elif now - self._line_at >= LINE_EVERY or step == self.steps:
            self._line_at = now
            print(f"step {step} of {self.steps}: {text}", file=sys.stderr, flush=True)

    def teardown(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

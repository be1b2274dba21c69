"""Callbacks of a training run: the log, sample pictures, a clean stop."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from PIL import Image
from torch import Tensor
from torch.nn import functional

from ..color import lab_to_rgb
from ..errors import DivergedError
from .lab_torch import rgb_to_lab
from .task import ColorizationTask

PICTURES = 12


class JsonLog(Callback):
    """JSON lines: loss, learning rate and images/s every `every` steps; the scores at every validation."""

    def __init__(self, path: Path, every: int, batch: int) -> None:
        self.path, self.every, self.batch = path, every, batch
        self._since = (0, time.monotonic())

    def _write(self, values: dict[str, Any]) -> None:
        with self.path.open("a") as stream:
            stream.write(json.dumps(values) + "\n")

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._since = (trainer.global_step, time.monotonic())

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        step = trainer.global_step
        if step % self.every or step == self._since[0] or not trainer.is_global_zero:
            return
        first, began = self._since
        seconds, self._since = time.monotonic() - began, (step, time.monotonic())
        images = (step - first) * self.batch
        rates = [group["lr"] for group in trainer.optimizers[0].param_groups]
        self._write(
            {
                "step": step,
                "loss": float(pl_module.step_loss),
                "lr": rates,
                "images_per_second": images / max(seconds, 1e-9),
            }
        )

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        scores = {k: float(v) for k, v in trainer.callback_metrics.items() if k.startswith("val/")}
        self._write({"step": trainer.global_step, **scores})


class Pictures(Callback):
    """At every validation a sheet of held-out photographs, grey | coloured | original, as PNG and in TensorBoard."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @torch.no_grad()
    def on_validation_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Tensor,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if batch_idx or not trainer.is_global_zero:
            return
        assert isinstance(pl_module, ColorizationTask)  # there is no other task
        rgb = batch[:PICTURES]
        lab = rgb_to_lab(rgb)
        ab = functional.interpolate(pl_module.colours(lab[:, :1]), lab.shape[2:], mode="bilinear", align_corners=False)
        rows = []
        for colours in (torch.zeros_like(ab), ab, lab[:, 1:]):
            pixels = torch.cat([lab[:, :1], colours], 1).permute(0, 2, 3, 1).float().cpu().numpy()
            rows.append(np.concatenate(list(lab_to_rgb(pixels)), axis=1))
        sheet = np.round(np.concatenate(rows, axis=0) * 255).astype(np.uint8)
        self.folder.mkdir(exist_ok=True)
        Image.fromarray(sheet).save(self.folder / f"{trainer.global_step:07d}.png")
        if trainer.logger is not None:
            trainer.logger.experiment.add_image(  # type: ignore[attr-defined]
                "grey, coloured, original", sheet, trainer.global_step, dataformats="HWC"
            )


class SaveAtEnd(Callback):
    """Saves the last step. Must come before the weight averaging callback, which replaces the current weights by the
    averaged ones at the end of a fit: extending a run must continue from the current ones."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        trainer.save_checkpoint(self.path, weights_only=False)


class StopOnSignal(Callback):
    """Ctrl-C and SIGTERM let the step finish; the run is then saved. exit_code: 0, 130 (Ctrl-C) or 143 (SIGTERM)."""

    exit_code = 0

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.exit_code = 128 + number

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        # Here and not earlier: Lightning has set its own handlers by now, which would stop without saving.
        self._before = {s: signal.signal(s, self._note) for s in (signal.SIGINT, signal.SIGTERM)}

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self.exit_code:
            trainer.should_stop = True

    def teardown(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        for number, handler in getattr(self, "_before", {}).items():
            signal.signal(number, handler)


class StopOnNan(Callback):
    """Stops a run whose loss is not finite and keeps the last good checkpoint: raises DivergedError.

    The loss is recorded at every step, but read only every `every` steps and before a checkpoint is written, since
    reading it synchronises with the GPU.
    """

    def __init__(self, every: int) -> None:
        self.every = every
        self._bad: Tensor | None = None

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        bad = ~torch.isfinite(pl_module.step_loss)
        self._bad = bad if self._bad is None else self._bad | bad
        if trainer.global_step % self.every == 0:
            self._check(trainer.global_step)

    def on_save_checkpoint(self, trainer: lightning.Trainer, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        self._check(trainer.global_step)

    def _check(self, step: int) -> None:
        if self._bad is not None and bool(self._bad):
            raise DivergedError(
                f"the loss was not a finite number before step {step}; the last good checkpoint is kept: "
                "lower optimizer.lr or set optimizer.clip, and go on with --resume"
            )

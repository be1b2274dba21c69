"""One training run: `photochrom train`. A run's folder holds

    last.ckpt     everything to resume: weights, averaged weights, optimizer, schedule, position in the data
    run.json      the resolved recipe, package versions, data fingerprint
    prior.npz     the prior of the training data
    log.jsonl     one line every few steps and one per validation
    pictures/     grey | coloured | original at every validation
    events...     TensorBoard

Single machine:  photochrom train lite --data SHARDS -o runs/lite
Go on:           photochrom train lite --data SHARDS -o runs/lite --resume
"""

from __future__ import annotations

import json
import logging
import platform
import warnings
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.data import DataLoader

from ..errors import DataError, RecipeError
from .callbacks import JsonLog, Pictures, SaveAtEnd, StopOnSignal
from .data import CropSettings, Positions, TrainingPhotos, ValidationPhotos, find_photos, fingerprint
from .prior import load_prior, measure_prior, save_prior
from .recipe import Recipe
from .task import ColorizationTask, load_start

log = logging.getLogger(__name__)

VALIDATION_PHOTOGRAPHS = 512  # at most, of the held-out share
CHECKPOINT = "last.ckpt"


class PhotoDataModule(lightning.LightningDataModule):
    """Batches in the order of training/data.py, from where the trainer stands."""

    def __init__(self, recipe: Recipe, training: TrainingPhotos, validation: ValidationPhotos) -> None:
        super().__init__()
        self.recipe, self.training, self.validation = recipe, training, validation

    def train_dataloader(self) -> DataLoader[Any]:
        trainer = self.trainer
        assert trainer is not None  # set by Lightning before it asks for loaders
        positions = Positions(
            trainer.global_step, self.recipe.steps, self.recipe.training.batch, trainer.global_rank, trainer.world_size
        )
        workers = self.recipe.data.workers
        return DataLoader(
            self.training, batch_sampler=positions, num_workers=workers, prefetch_factor=4 if workers else None
        )

    def val_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.validation, batch_size=self.recipe.training.batch)


def train(recipe: Recipe, data: Path, run: Path, resume: bool = False) -> int:
    """Train `recipe` on `data` into the folder `run`; returns the exit code: 0 done, 130 / 143 stopped by a signal.

    Raises DataError (no photographs, a run already there without `resume`, nothing to resume) and RecipeError.
    """
    checkpoint = run / CHECKPOINT
    if checkpoint.exists() and not resume:
        raise DataError(f"{run}: holds a run already; expected a new folder, or --resume to go on with it")
    if resume and not checkpoint.exists():
        raise DataError(f"{checkpoint}: not there; expected a run that has saved a checkpoint, or no --resume")
    if recipe.data.size % 32:
        raise RecipeError(f"data.size is {recipe.data.size}; expected a multiple of 32")
    if recipe.training.threads:
        torch.set_num_threads(recipe.training.threads)

    entries = find_photos(data)
    kept_out = [e for e in entries if e.held_out][:VALIDATION_PHOTOGRAPHS]
    entries = [e for e in entries if not e.held_out]
    if not entries:
        raise DataError(f"{data}: every photograph falls into the validation share; expected more photographs")
    run.mkdir(parents=True, exist_ok=True)
    data_print = fingerprint(entries)
    prior_file = run / "prior.npz"
    if not prior_file.exists():
        log.info("measuring the prior on %d photographs", min(len(entries), recipe.loss.prior_photographs))
        prior = measure_prior(entries, recipe.loss.prior_photographs, recipe.training.seed)
        save_prior(prior_file, prior, min(len(entries), recipe.loss.prior_photographs), data_print)
    _write_description(run / "run.json", recipe, data, data_print, len(entries))

    lightning.seed_everything(recipe.training.seed, verbose=False)
    task = ColorizationTask(recipe, load_prior(prior_file))
    if not resume:
        load_start(task.network, recipe.network)
    crops = CropSettings(recipe.data.size, (recipe.data.least_area, 1.0), recipe.data.mirror)
    module = PhotoDataModule(
        recipe, TrainingPhotos(entries, crops, recipe.training.seed), ValidationPhotos(kept_out, recipe.data.size)
    )
    stop = StopOnSignal()
    _silence()
    trainer = _trainer(recipe, run, stop, bool(kept_out))
    # weights_only: the restricted unpickler; a checkpoint is data, never code.
    trainer.fit(task, datamodule=module, ckpt_path=checkpoint if resume else None, weights_only=True)
    return stop.exit_code


def _trainer(recipe: Recipe, run: Path, stop: StopOnSignal, validate: bool) -> lightning.Trainer:
    settings = recipe.training
    cuda = torch.cuda.is_available()
    if settings.precision != "auto":
        precision = settings.precision
    else:
        precision = "bf16-mixed" if cuda else "32-true"  # bf16 is slower on CPUs, even those that have it
    schedule: dict[str, Any] = {}
    if settings.checkpoint_every:
        schedule["every_n_train_steps"] = settings.checkpoint_every
    else:
        schedule["train_time_interval"] = timedelta(minutes=settings.checkpoint_minutes)
    callbacks: list[Callback] = [
        ModelCheckpoint(run, filename=Path(CHECKPOINT).stem, enable_version_counter=False, **schedule),
        LearningRateMonitor("step"),
        JsonLog(run / "log.jsonl", settings.log_every, settings.batch),
        stop,
        SaveAtEnd(run / CHECKPOINT),
    ]
    if settings.ema:
        callbacks.append(EMAWeightAveraging(decay=settings.ema))
    if validate:
        callbacks.append(Pictures(run / "pictures"))
    return lightning.Trainer(
        accelerator="gpu" if cuda else "cpu",
        precision=precision,  # type: ignore[arg-type]
        max_steps=recipe.steps,
        max_epochs=-1,
        val_check_interval=settings.validate_every if validate else None,
        limit_val_batches=None if validate else 0,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        gradient_clip_val=recipe.optimizer.clip or None,
        logger=TensorBoardLogger(run, name="", version=""),
        callbacks=callbacks,
        log_every_n_steps=settings.log_every,
        enable_model_summary=False,
        use_distributed_sampler=False,  # Positions splits over ranks itself
    )


def _silence() -> None:
    """Leave out what Lightning says of things that are as they should be."""
    for message in (
        ".*exists and is not empty.*",  # a run's folder holds its prior before its first checkpoint
        ".*dataloader is not resumable.*",  # ours is: the order is a function of the step
        ".*does not have many workers.*",  # one keeps up with two cores of training
        ".*smaller than the logging interval.*",
        ".*LeafSpec.*",  # Lightning's own use of a deprecated name
    ):
        warnings.filterwarnings("ignore", message)
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)


def _write_description(path: Path, recipe: Recipe, data: Path, data_print: str, photographs: int) -> None:
    packages = ("photochrom", "torch", "lightning", "numpy", "pillow")
    description = {
        "recipe": recipe.to_dict(),
        "data": {"path": str(data), "photographs": photographs, "fingerprint": data_print},
        "versions": {"python": platform.python_version(), **{p: version(p) for p in packages}},
    }
    path.write_text(json.dumps(description, indent=2) + "\n")

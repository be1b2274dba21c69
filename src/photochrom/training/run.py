"""One training run: `photochrom train`. A run's folder holds

    last.ckpt     everything to resume: weights, averaged weights, optimizer, schedule, position in the data
    run.json      the resolved recipe, package versions, data fingerprint
    prior.npz     the prior of the training data
    skipped.jsonl the photographs that were left out, and why
    log.jsonl     one line every few steps and one per validation
    pictures/     grey | coloured | original at every validation
    events...     TensorBoard

One process:   photochrom train lite --data SHARDS -o runs/lite
Go on:         photochrom train lite --data SHARDS -o runs/lite --resume
8 GPUs:        torchrun --nproc-per-node 8 -m photochrom train full --data IMAGENET -o runs/full
2 nodes of 8:  torchrun --nnodes 2 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint HOST:29500 -m photochrom ...

batch is that of a step over all processes, so the same recipe gives the same training on any number of them.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import platform
import warnings
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..atomic_file import part_file
from ..data.photo_list import PhotoList
from ..data.prior import load_prior, measure_prior, save_prior
from ..data.skips import read_skips
from ..errors import DataError, RecipeError
from .batches import CropSettings, Lanes, Positions, TrainingPhotos, ValidationPhotos, find_photos, fingerprint
from .callbacks import JsonLog, Pictures, SaveAtEnd, StopOnNan, StopOnSignal
from .checkpoints import AtomicCheckpoints, refuse_another
from .decoder_task import DecoderTask
from .encoded import EncodedPhotos
from .lab_torch import rgb_to_lab
from .networks import load_start
from .processes import Processes, processes, trainer_options
from .progress import TrainingProgress
from .recipe import Recipe
from .task import Batch, ColorizationTask

log = logging.getLogger(__name__)

VALIDATION_PHOTOGRAPHS = 512  # at most, of the held-out share
INITIAL_PHOTOGRAPHS = 16  # photographs for a data-dependent initialisation
CHECKPOINT = "last.ckpt"


class Numbered(Dataset[Batch]):
    """position -> (crop, position): the random draws of a step are a function of the position too."""

    def __init__(self, photographs: TrainingPhotos) -> None:
        self.photographs = photographs

    def __getitem__(self, position: int) -> Batch:
        return self.photographs[position], torch.tensor(position)


class PhotoDataModule(lightning.LightningDataModule):
    """Batches in the order of training/batches.py, from the trainer's current step."""

    def __init__(self, recipe: Recipe, training: Dataset[Any], validation: ValidationPhotos) -> None:
        """training: position -> (what is shown, position)."""
        super().__init__()
        self.recipe, self.training, self.validation = recipe, training, validation

    def train_dataloader(self) -> DataLoader[Any]:
        trainer = self.trainer
        assert trainer is not None  # set by Lightning before it asks for loaders
        settings = self.recipe.training
        parts = settings.accumulate  # of a step, in one process
        positions = Positions(
            trainer.global_step * parts,
            self.recipe.steps * parts,
            settings.batch // (parts * trainer.world_size),
            trainer.global_rank,
            trainer.world_size,
        )
        workers = self.recipe.data.workers
        return DataLoader(
            self.training,
            batch_sampler=positions,
            num_workers=workers,
            prefetch_factor=4 if workers else None,
            pin_memory=torch.cuda.is_available(),
        )

    def val_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.validation, batch_size=min(self.recipe.training.batch, 64))


def train(recipe: Recipe, data: str | Path, run: Path, resume: bool = False) -> int:
    """Train `recipe` on `data` into the folder `run`; returns the exit code: 0 done, 130 / 143 stopped by a signal.

    Raises DataError (no photographs, a run already there without `resume`, nothing to resume), RecipeError,
    DivergedError and OutputError (a full disk); the last good checkpoint is kept.
    """
    together = processes()
    checkpoint = run / CHECKPOINT
    if checkpoint.exists() and not resume:
        raise DataError(f"{run}: holds a run already; expected a new folder, or --resume to go on with it")
    if resume and not checkpoint.exists():
        raise DataError(f"{checkpoint}: not there; expected a run that has saved a checkpoint, or no --resume")
    _check(recipe, together)
    if resume:
        refuse_another(checkpoint, recipe)
    if recipe.training.threads:
        torch.set_num_threads(recipe.training.threads)

    entries, kept_out = find_photos(data).split()
    encoded = _encoded(recipe, kept_out)
    kept_out = kept_out[:VALIDATION_PHOTOGRAPHS]
    if not len(entries):
        raise DataError(f"{data}: every photograph falls into the validation share; expected more photographs")
    run.mkdir(parents=True, exist_ok=True)
    data_print = fingerprint(entries)
    prior = _prior(recipe, entries, run / "prior.npz", data_print)
    lanes = _lanes(recipe, together, run / "run.json", resume)
    _write_description(run / "run.json", recipe, str(data), data_print, len(entries), together, lanes)

    lightning.seed_everything(recipe.training.seed, verbose=False)
    task = DecoderTask(recipe, prior, encoded.scale) if encoded else ColorizationTask(recipe, prior)
    crops = CropSettings(recipe.data.size, (recipe.data.least_area, 1.0), recipe.data.mirror)
    skipped = run / "skipped.jsonl"
    photographs = TrainingPhotos(entries, crops, recipe.training.seed, skipped_file=skipped, lanes=lanes)
    if not resume:
        load_start(task.network, recipe.network, lambda: _first_lightness(photographs), recipe.training.seed)
    shown = encoded or Numbered(photographs)
    module = PhotoDataModule(recipe, shown, ValidationPhotos(kept_out, recipe.data.size))
    stop = StopOnSignal()
    _silence()
    trainer = _trainer(recipe, run, stop, len(kept_out) > 0, together)
    # weights_only: the restricted unpickler; a checkpoint is data, never code.
    trainer.fit(task, datamodule=module, ckpt_path=checkpoint if resume else None, weights_only=True)
    if trainer.is_global_zero and skipped.exists():
        log.warning("left out of the training: %s; all of them in %s", read_skips(skipped), skipped)
    return stop.exit_code


def _lanes(recipe: Recipe, together: Processes, description: Path, resume: bool) -> Lanes:
    """How blocks of data are divided among processes and workers; a resumed run keeps its division."""
    if resume and description.exists():
        return Lanes(**json.loads(description.read_text()).get("lanes", {}))
    here = recipe.training.batch // (recipe.training.accumulate * together.count)
    return Lanes(together.count * max(1, recipe.data.workers), here)


def _encoded(recipe: Recipe, kept_out: PhotoList) -> EncodedPhotos | None:
    if not recipe.data.encoded:
        return None
    left_out = frozenset(entry.key for entry in kept_out)
    return EncodedPhotos(Path(recipe.data.encoded), recipe.training.seed, left_out)


def _check(recipe: Recipe, together: Processes) -> None:
    if recipe.data.size % 32:
        raise RecipeError(f"data.size is {recipe.data.size}; expected a multiple of 32")
    parts = recipe.training.accumulate * together.count
    if recipe.training.accumulate < 1 or recipe.training.batch % parts:
        raise RecipeError(
            f"training.batch is {recipe.training.batch}, for {together.count} processes and training.accumulate "
            f"{recipe.training.accumulate}; expected a multiple of their product"
        )


def _prior(recipe: Recipe, entries: Any, file: Path, data_print: str) -> NDArray[np.float64]:
    """The run's prior: measured by the first process, read by the others."""
    if not file.exists():
        count = min(len(entries), recipe.loss.prior_photographs)
        log.info("measuring the prior on %d photographs", count)
        prior = measure_prior(entries, recipe.loss.prior_photographs, recipe.training.seed)
        with part_file(file, overwrite=True) as part:
            save_prior(part, prior, count, data_print)
    return load_prior(file)


def _first_lightness(photographs: TrainingPhotos) -> Tensor:
    """[N, 1, size, size] of the first photographs that the training will show."""
    crops = torch.stack([photographs[position] for position in range(INITIAL_PHOTOGRAPHS)])
    return rgb_to_lab(crops)[:, :1]


def _trainer(recipe: Recipe, run: Path, stop: StopOnSignal, validate: bool, together: Processes) -> lightning.Trainer:
    settings = recipe.training
    if settings.precision != "auto":
        precision = settings.precision
    else:
        # bf16 is slower on CPUs, even those that have it
        precision = "bf16-mixed" if torch.cuda.is_available() else "32-true"
    schedule: dict[str, Any] = {}
    if settings.checkpoint_every:
        schedule["every_n_train_steps"] = settings.checkpoint_every
    else:
        schedule["train_time_interval"] = timedelta(minutes=settings.checkpoint_minutes)
    callbacks: list[Callback] = [
        ModelCheckpoint(run, filename=Path(CHECKPOINT).stem, enable_version_counter=False, **schedule),
        LearningRateMonitor("step"),
        JsonLog(run / "log.jsonl", settings.log_every, settings.batch),
        TrainingProgress(recipe.steps, settings.batch),
        stop,
        SaveAtEnd(run / CHECKPOINT),
        StopOnNan(settings.log_every),
    ]
    if settings.ema:
        callbacks.append(EMAWeightAveraging(decay=settings.ema))
    if validate:
        callbacks.append(Pictures(run / "pictures"))
    return lightning.Trainer(
        **trainer_options(together),  # type: ignore[arg-type]
        precision=precision,  # type: ignore[arg-type]
        max_steps=recipe.steps,
        max_epochs=-1,
        accumulate_grad_batches=settings.accumulate,
        val_check_interval=settings.validate_every * settings.accumulate if validate else None,
        limit_val_batches=None if validate else 0,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        gradient_clip_val=recipe.optimizer.clip or None,
        logger=TensorBoardLogger(run, name="", version=""),
        callbacks=callbacks,
        plugins=[AtomicCheckpoints()],
        log_every_n_steps=settings.log_every,
        enable_model_summary=False,
        enable_progress_bar=False,  # TrainingProgress is one
        use_distributed_sampler=False,  # Positions splits over ranks itself
    )


def _silence() -> None:
    """Silence Lightning's warnings about things that are intended."""
    for message in (
        ".*exists and is not empty.*",  # a run's folder holds its prior before its first checkpoint
        ".*dataloader is not resumable.*",  # ours is: the order is a function of the step
        ".*does not have many workers.*",  # one worker is fast enough for two cores of training
        ".*smaller than the logging interval.*",
        ".*LeafSpec.*",  # Lightning's own use of a deprecated name
    ):
        warnings.filterwarnings("ignore", message)
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)


def _write_description(
    path: Path, recipe: Recipe, data: str, data_print: str, photographs: int, together: Processes, lanes: Lanes
) -> None:
    packages = ("photochrom", "torch", "lightning", "numpy", "pillow")
    description = {
        "recipe": recipe.to_dict(),
        "data": {"path": data, "photographs": photographs, "fingerprint": data_print},
        "processes": dataclasses.asdict(together),
        "lanes": dataclasses.asdict(lanes),
        "versions": {"python": platform.python_version(), **{p: version(p) for p in packages}},
    }
    with part_file(path, overwrite=True) as part:
        part.write_text(json.dumps(description, indent=2) + "\n")

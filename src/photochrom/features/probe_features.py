"""Inputs of the linear classifiers: pooled features of all stages, from one forward pass per photograph.

StoredFeatures keeps them in files, since a frozen trunk always gives the same; LiveFeatures, for sets too large for
the disk, computes them in every epoch. Both give the same photographs, mirrored alike, in the same order.
"""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..atomic_file import output_error
from ..data.order import Order
from ..errors import DataError
from .crops import Unreadable, crop_batches
from .labelled import Labelled
from .pooling import PooledTrunk

EXTRACTION_BATCH = 64  # photographs in the trunk at a time
MOST = 60_000.0  # float16 ends at 65504; of features with a standard deviation of 1
BYTES = 2  # of a stored number

Progress = Callable[[str, int, int], None]  # what, done, of how many


@dataclass(frozen=True)
class Batch:
    """features: {stage: float32 [N, C, side, side]}; labels: int64 [N]; rows: [N] of the labelled photographs."""

    features: dict[str, Tensor]
    labels: Tensor
    rows: NDArray[np.int64]


class Features(Protocol):
    """The features of one trunk for the labelled photographs. shapes: of each stage, channels and cells; steps: batches
    of an epoch of training."""

    shapes: dict[str, tuple[int, int, int]]
    steps: int

    def training(self, epoch: int) -> Iterator[Batch]:
        """Every photograph to train on once, in an order of this epoch's, half of them mirrored if so wanted."""
        ...

    def testing(self) -> Iterator[Batch]:
        """Every photograph to test on once, as it is."""
        ...


@dataclass(frozen=True)
class FeatureSettings:
    """batch: photographs a batch; mirror: flip half of the training photographs at each visit; seed: of the order and
    the flips; workers: processes that decode; store: GB of disk that stored features may take, in the system's folder
    for temporary files."""

    batch: int = 128
    mirror: bool = True
    seed: int = 0
    workers: int = 1
    store: float = 20.0


class _Visits:
    """The order of the photographs: a function of seed and epoch."""

    def __init__(self, labelled: Labelled, settings: FeatureSettings) -> None:
        self.training_rows = np.flatnonzero(~labelled.is_test)
        self.test_rows = np.flatnonzero(labelled.is_test)
        self.steps = -(-len(self.training_rows) // settings.batch)
        self._order = Order(labelled.photos.take(self.training_rows), settings.seed)
        self._settings, self._count = settings, len(labelled.photos)

    def rows(self, epoch: int) -> NDArray[np.int64]:
        return self.training_rows[self._order.epoch(epoch)]

    def mirrored(self, epoch: int) -> NDArray[np.bool_]:
        """[n] of all labelled photographs: whether it is flipped at this visit."""
        if not self._settings.mirror:
            return np.zeros(self._count, dtype=bool)
        return np.random.default_rng((self._settings.seed, epoch, 1)).random(self._count) < 0.5


class LiveFeatures:
    """Features computed anew at each visit. See Features."""

    def __init__(
        self, trunk: PooledTrunk, labelled: Labelled, settings: FeatureSettings, unreadable: Unreadable, device: str
    ) -> None:
        self._trunk, self._labelled, self._settings = trunk.to(device), labelled, settings
        self._unreadable, self._device = unreadable, device
        self._visits = _Visits(labelled, settings)
        self.shapes, self.steps = trunk.shapes, self._visits.steps
        _calibrate(self._trunk, labelled, self._visits.training_rows, unreadable, device)

    def training(self, epoch: int) -> Iterator[Batch]:
        return self._batches(self._visits.rows(epoch), self._visits.mirrored(epoch))

    def testing(self) -> Iterator[Batch]:
        return self._batches(self._visits.test_rows, None)

    def _batches(self, rows: NDArray[np.int64], mirrored: NDArray[np.bool_] | None) -> Iterator[Batch]:
        settings = self._settings
        found = crop_batches(
            self._labelled.photos, rows, self._trunk.size, settings.batch, self._unreadable, settings.workers
        )
        for crops in found:
            rgb = crops.rgb
            if mirrored is not None:
                flips = torch.from_numpy(mirrored[crops.rows])
                rgb = torch.where(flips[:, None, None, None], rgb.flip(3), rgb)
            features = self._trunk(rgb.to(self._device))
            labels = torch.from_numpy(self._labelled.labels[crops.rows]).to(self._device)
            yield Batch(features, labels, crops.rows)


class StoredFeatures:
    """Features kept as 16-bit numbers in temporary files. See Features. Raises OutputError where the disk is full."""

    def __init__(
        self,
        trunk: PooledTrunk,
        labelled: Labelled,
        settings: FeatureSettings,
        unreadable: Unreadable,
        device: str,
        progress: Progress = lambda what, done, total: None,
    ) -> None:
        self._labelled, self._settings, self._device = labelled, settings, device
        self._visits = _Visits(labelled, settings)
        self.shapes, self.steps = trunk.shapes, self._visits.steps
        _calibrate(trunk.to(device), labelled, self._visits.training_rows, unreadable, device)
        length = stored_rows(labelled, settings)
        self._files = {stage: _file(length, shape) for stage, shape in self.shapes.items()}
        self._fill(trunk, unreadable, progress)

    def training(self, epoch: int) -> Iterator[Batch]:
        rows = self._visits.rows(epoch)
        return self._batches(rows[self._place[rows] >= 0], self._visits.mirrored(epoch))

    def testing(self) -> Iterator[Batch]:
        rows = self._visits.test_rows
        return self._batches(rows[self._place[rows] >= 0], None)

    def _batches(self, rows: NDArray[np.int64], mirrored: NDArray[np.bool_] | None) -> Iterator[Batch]:
        for chunk in np.split(rows, range(self._settings.batch, len(rows), self._settings.batch)):
            places = self._place[chunk]
            if mirrored is not None:
                places = np.where(mirrored[chunk], self._place_mirrored[chunk], places)
            features = {
                stage: torch.from_numpy(file[places]).to(self._device).float() for stage, file in self._files.items()
            }
            yield Batch(features, torch.from_numpy(self._labelled.labels[chunk]).to(self._device), chunk)

    def _fill(self, trunk: PooledTrunk, unreadable: Unreadable, progress: Progress) -> None:
        labelled, settings = self._labelled, self._settings
        count = len(labelled.photos)
        # The rows of each photograph's features, and those of its mirror image; -1 for one that cannot be read.
        self._place, self._place_mirrored = np.full(count, -1), np.full(count, -1)
        end = done = 0
        # In the order in which the photographs lie, so that blocks and tars are read once.
        for crops in crop_batches(
            labelled.photos, np.arange(count), trunk.size, EXTRACTION_BATCH, unreadable, settings.workers
        ):
            rgb = crops.rgb.to(self._device)
            flipped = np.flatnonzero(~labelled.is_test[crops.rows]) if settings.mirror else np.zeros(0, np.int64)
            for place, rows, view in (
                (self._place, crops.rows, rgb),
                (self._place_mirrored, crops.rows[flipped], rgb[torch.from_numpy(flipped)].flip(3)),
            ):
                if not len(rows):
                    continue
                for stage, x in trunk(view).items():
                    self._files[stage][end : end + len(rows)] = x.clamp(-MOST, MOST).half().cpu().numpy()
                place[rows] = np.arange(end, end + len(rows))
                end += len(rows)
            done += len(crops.rows)
            progress("features", done, count)
        if done < count:  # some cannot be read
            progress("features", count, count)


def _file(length: int, shape: tuple[int, ...]) -> NDArray[np.float16]:
    """[length, *shape] on disk, in an unlinked file: it is removed when this process ends, for any reason."""
    file = tempfile.TemporaryFile(prefix="photochrom-probe-")  # noqa: SIM115  the memory map holds it
    try:
        if hasattr(os, "posix_fallocate"):
            # Otherwise a full disk would crash the process while the memory map is written.
            os.posix_fallocate(file.fileno(), 0, length * math.prod(shape) * BYTES)
    except OSError as error:
        target = Path(tempfile.gettempdir()) / "features"
        raise output_error(target, error) from error
    return np.memmap(file, dtype=np.float16, mode="w+", shape=(length, *shape))


def fits(trunk: PooledTrunk, labelled: Labelled, settings: FeatureSettings) -> bool:
    """Whether StoredFeatures may take as much disk as it would, and leaves a tenth of what is free."""
    free = shutil.disk_usage(tempfile.gettempdir()).free
    return stored_bytes(trunk, labelled, settings) <= min(settings.store * 1e9, 0.9 * free)


def stored_rows(labelled: Labelled, settings: FeatureSettings) -> int:
    """How many photographs and mirror images StoredFeatures keeps."""
    return len(labelled.photos) + (int((~labelled.is_test).sum()) if settings.mirror else 0)


def stored_bytes(trunk: PooledTrunk, labelled: Labelled, settings: FeatureSettings) -> int:
    """Bytes that StoredFeatures would take."""
    numbers = sum(channels * side * side for channels, side, _ in trunk.shapes.values())
    return stored_rows(labelled, settings) * numbers * BYTES


def _calibrate(
    trunk: PooledTrunk, labelled: Labelled, rows: NDArray[np.int64], unreadable: Unreadable, device: str
) -> None:
    """On the first batch of training photographs, evenly spread, that can be read."""
    spread = rows[:: max(1, len(rows) // EXTRACTION_BATCH)]
    for crops in crop_batches(labelled.photos, spread, trunk.size, EXTRACTION_BATCH, unreadable):
        return trunk.calibrate(crops.rgb.to(device))
    raise DataError(
        f"none of {len(spread)} photographs to train on can be read ({unreadable}); expected JPEG, PNG, WebP, TIFF "
        "or BMP files"
    )

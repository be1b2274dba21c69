"""Training photographs in an order that resumes exactly, as PyTorch data sets.

The sample at position p of the training is a pure function of (seed, p): position p is photograph Order(p) (see
order.py), cropped and mirrored by a generator seeded with (seed, p). There is no shuffle buffer and no hidden state: to
resume at step s with batch size B, start at position s * B.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from ..data.order import Lanes, Order
from ..data.photo_list import Entry, PhotoList, fingerprint
from ..data.photograph import CropSettings, Limits, UnusablePhoto, centre_crop, decode, random_crop, usable
from ..data.skips import Skips
from ..data.sources import find_photos
from ..errors import DataError

__all__ = [
    "CropSettings", "Entry", "Lanes", "Limits", "PhotoList", "Positions", "TrainingPhotos", "ValidationPhotos",
    "decode", "find_photos", "fingerprint", "random_crop",
]  # fmt: skip


class TrainingPhotos(Dataset[Tensor]):
    """position -> uint8 RGB crop [3, size, size].

    A corrupt, tiny or near-grey photograph (see Limits) is counted and named in `skipped`, once per process that
    encounters it, and replaced by the next in the list. skipped_file: where each process logs the photographs it skips.
    Raises DataError if no photograph can be used or the source fails.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        settings: CropSettings,
        seed: int,
        limits: Limits | None = None,
        skipped_file: Path | None = None,
        lanes: Lanes | None = None,
    ) -> None:
        self.entries, self.settings, self.seed = PhotoList.of(entries), settings, seed
        self.limits, self.skipped = limits or Limits(), Skips(skipped_file)
        self.order = Order(self.entries, seed, lanes)
        self._useless: set[int] = set()  # only saves time: the sample at a position does not depend on it

    def __getitem__(self, position: int) -> Tensor:
        first = self.order(position)
        for step in range(len(self.entries)):
            index = (first + step) % len(self.entries)
            if index in self._useless:
                continue
            try:
                image = usable(self.entries[index], self.limits, self.settings.least_side)
            except UnusablePhoto as photo:
                self._useless.add(index)
                self.skipped.add(photo)
                continue
            return torch.from_numpy(random_crop(image, self.settings, np.random.default_rng((self.seed, position))))
        raise DataError(
            f"none of the {len(self.entries)} photographs can be used: {self.skipped}; "
            f"expected coloured photographs with a short side of at least {self.limits.min_side} pixels"
        )


class Positions(Sampler[list[int]]):
    """Batches of positions from `start` (in batches) to `stop`, for one of `ranks` processes: rank r of R takes its
    contiguous part of each global batch, so that all ranks together see what a single process would."""

    def __init__(self, start: int, stop: int, batch: int, rank: int = 0, ranks: int = 1) -> None:
        self.start, self.stop, self.batch, self.rank, self.ranks = start, stop, batch, rank, ranks

    def __len__(self) -> int:
        # From 0: on resuming, Lightning counts the batches before `start` as fetched already.
        return self.stop

    def __iter__(self) -> Iterator[list[int]]:
        for step in range(self.start, self.stop):
            first = (step * self.ranks + self.rank) * self.batch
            yield list(range(first, first + self.batch))


class ValidationPhotos(Dataset[Tensor]):
    """The held-out photographs, centre crops [3, size, size] uint8, never augmented.

    One that cannot be used is replaced by the next that can. Photographs stored in blocks are cached after the first
    read, 3 * size * size bytes each, because they are scattered over all blocks.
    """

    def __init__(self, entries: Sequence[Entry], size: int, limits: Limits | None = None) -> None:
        self.entries, self.size, self.limits = PhotoList.of(entries), size, limits or Limits()
        self.skipped = Skips()
        self._useless: set[int] = set()
        self._kept: dict[int, Tensor] = {}

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Tensor:
        if not 0 <= index < len(self):
            raise IndexError(f"{index} of {len(self)} photographs")
        for step in range(len(self.entries)):
            place = (index + step) % len(self.entries)
            if place in self._kept:
                return self._kept[place]
            if place in self._useless:
                continue
            try:
                image = usable(self.entries[place], self.limits, self.size)
            except UnusablePhoto as photo:
                self._useless.add(place)
                self.skipped.add(photo)
                continue
            crop = torch.from_numpy(centre_crop(image, self.size))
            if self.entries.blocks:
                self._kept[place] = crop
            return crop
        raise DataError(f"none of the {len(self.entries)} held-out photographs can be used: {self.skipped}")

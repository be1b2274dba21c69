"""Labelled photographs as squares of equal size, in batches; those that cannot be read are left out and named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..data.photo_list import PhotoList
from ..data.photograph import UnusablePhoto, centre_crop, open_entry


@dataclass(frozen=True)
class Crops:
    """rgb: uint8 [N, 3, size, size]; rows: [N] which photographs of the list these are."""

    rgb: Tensor
    rows: NDArray[np.int64]


@dataclass
class Unreadable:
    """The photographs that could not be read, each once: key -> why."""

    photos: dict[str, str] = field(default_factory=dict)

    def add(self, photo: UnusablePhoto) -> None:
        self.photos[photo.key] = f"{photo.file}: {photo.detail}"

    def __str__(self) -> str:
        """ "2 unreadable (a.jpg, b.jpg)"; "none"."""
        first = ", ".join(list(self.photos)[:3]) + (", ..." if len(self.photos) > 3 else "")
        return f"{len(self.photos)} unreadable ({first})" if self.photos else "none"


class _Squares(Dataset[tuple[int, "Tensor | UnusablePhoto"]]):
    def __init__(self, photos: PhotoList, size: int) -> None:
        self.photos, self.size = photos, size

    def __getitem__(self, row: int) -> tuple[int, Tensor | UnusablePhoto]:
        try:
            image = open_entry(self.photos[row], least_side=self.size).image
        except UnusablePhoto as photo:
            return row, photo
        return row, torch.from_numpy(centre_crop(image, self.size))


def crop_batches(
    photos: PhotoList,
    rows: NDArray[np.int64],
    size: int,
    batch: int,
    unreadable: Unreadable,
    workers: int = 0,
) -> Iterator[Crops]:
    """The photographs of these rows in their order, each its largest centred square resized to `size` pixels.

    A batch lacks those that cannot be read, which `unreadable` then names; one without any is passed over. workers:
    processes that decode. Raises DataError where the source fails, which is not a photograph's fault.
    """
    loader = DataLoader(
        _Squares(photos, size),
        batch_sampler=[chunk.tolist() for chunk in np.split(rows, range(batch, len(rows), batch))],
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        collate_fn=_together,
    )
    for crops, failed in loader:
        for photo in failed:
            unreadable.add(photo)
        if crops is not None:
            yield crops


def _together(found: Sequence[tuple[int, Tensor | UnusablePhoto]]) -> tuple[Crops | None, list[UnusablePhoto]]:
    read = [(row, square) for row, square in found if isinstance(square, Tensor)]
    failed = [photo for _, photo in found if isinstance(photo, UnusablePhoto)]
    if not read:
        return None, failed
    return Crops(torch.stack([square for _, square in read]), np.array([row for row, _ in read])), failed

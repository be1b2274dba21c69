"""Precomputed features of lite's frozen encoder, read from a file instead of computed in every epoch.

While the encoder keeps its ImageNet weights, its features of a crop never change, and on a CPU they are most of the
cost of a step. A file holds one crop of every photograph, fixed when it was written (encoding.py); several files of the
same photographs are several augmented views. data.encoded names their folder to `photochrom train`.

A file NAME.npy is int8 [photographs, bytes of a row]: the features at strides 8, 16 and 32 in units of `scale`, then
CIE a, b and L of the crop at stride 8, rounded. NAME.npz beside it: keys, scale and size.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ..errors import DataError
from ..nets.lite import STAGES, TAPS

STRIDE = 8  # of the finest features kept, and of the colours
CHANNELS = tuple(STAGES[i][-1] for i in TAPS[1:])  # at strides 8, 16, 32


class Encoded(NamedTuple):
    """Of N crops: features (at 8, at 16, at 32), each [N, C, h, w]; ab [N, 2, H, W] and lightness [N, 1, H, W] at
    stride 8. All int8 as stored, or float after `scaled`."""

    at8: Tensor
    at16: Tensor
    at32: Tensor
    ab: Tensor
    lightness: Tensor

    def scaled(self, scale: Sequence[Tensor]) -> Encoded:
        """As floats: features in the encoder's units, ab and lightness in CIE units."""
        fine, middle, coarse = (
            (feature.float() * unit[:, None, None]).contiguous(memory_format=torch.channels_last)
            for feature, unit in zip(self[:3], scale, strict=True)
        )
        return Encoded(fine, middle, coarse, self.ab.float(), self.lightness.float())


def shapes(size: int) -> list[tuple[int, int, int]]:
    """Shapes of the parts of a row, for crops of size x size."""
    sides = [size // STRIDE // 2**i for i in range(len(CHANNELS))]
    features = [(channels, side, side) for channels, side in zip(CHANNELS, sides, strict=True)]
    return [*features, (2, sides[0], sides[0]), (1, sides[0], sides[0])]


class EncodedPhotos(Dataset[tuple[Encoded, Tensor]]):
    """position -> (row, position), from all files of a folder. Every epoch shows every row once, mirrored or not: a
    mirrored crop's features are nearly the mirrored features. Raises DataError."""

    def __init__(self, folder: Path, seed: int, left_out: frozenset[str] = frozenset()) -> None:
        """left_out: keys of photographs excluded from training."""
        files = sorted(folder.rglob("*.npy"))
        if not files:
            raise DataError(
                f"{folder}: no encoded photographs; make them with: photochrom data encode DATA -o FILE.npy"
            )
        self.seed, self.rows, self.scale = seed, [], []
        rows = []
        for number, file in enumerate(files):
            keys, scale, size = _read_side(file)
            if number == 0:
                self.size, self._all_scales = size, scale
            elif size != self.size or not np.allclose(scale, self._all_scales, rtol=1e-3):
                raise DataError(f"{file}: does not match {files[0]}; expected the same crop size and photographs")
            row_bytes = sum(int(np.prod(shape)) for shape in shapes(size))
            try:
                content = np.load(file, mmap_mode="r")
            except (OSError, ValueError) as error:
                raise DataError(f"{file}: not what `photochrom data encode` writes ({error})") from error
            if content.dtype != np.int8 or content.shape != (len(keys), row_bytes):
                found = f"{content.dtype} {content.shape}"
                raise DataError(f"{file}: {found}; expected int8 ({len(keys)}, {row_bytes})")
            self.rows.append(content)
            kept = [i for i, key in enumerate(keys) if key not in left_out]
            rows.append(np.stack([np.full(len(kept), number), kept], axis=1))
        self.index: NDArray[np.int64] = np.concatenate(rows).astype(np.int64)
        self.scale = list(torch.from_numpy(self._all_scales).float().split(CHANNELS))
        self._epoch: tuple[int, NDArray[np.int64]] = (-1, np.zeros(0, np.int64))

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, position: int) -> tuple[Encoded, Tensor]:
        epoch, place = divmod(position, len(self.index))
        if self._epoch[0] != epoch:
            self._epoch = epoch, np.random.default_rng((self.seed, epoch)).permutation(len(self.index))
        file, row = self.index[self._epoch[1][place]]
        codes = torch.from_numpy(self.rows[file][row].copy())
        sizes = shapes(self.size)
        parts = codes.split([int(np.prod(shape)) for shape in sizes])
        mirrored = np.random.default_rng((self.seed, position)).random() < 0.5
        images = [part.reshape(shape) for part, shape in zip(parts, sizes, strict=True)]
        return Encoded(*(image.flip(2) if mirrored else image for image in images)), torch.tensor(position)


def _read_side(file: Path) -> tuple[list[str], NDArray[np.float32], int]:
    side = file.with_suffix(".npz")
    try:
        with np.load(side) as content:
            return [str(key) for key in content["keys"]], content["scale"], int(content["size"])
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{side}: not what `photochrom data encode` writes beside {file.name} ({error})") from error

"""Training photographs: a folder tree or WebDataset tars, read at random, in an order that resumes exactly.

What the network sees at position p of the training is a pure function of (seed, p): position p is photograph
permutation(seed, epoch = p // N)[p % N], cropped and mirrored by a generator seeded with (seed, p). No shuffle buffer,
no hidden state: to resume at step s of batch size B, start at position s * B.
"""

from __future__ import annotations

import hashlib
import io
import logging
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from ..errors import DataError

log = logging.getLogger(__name__)

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"}
HELD_OUT = 64  # one photograph in so many is kept from training, chosen by the hash of its key


@dataclass(frozen=True)
class Entry:
    """Where one photograph's bytes are: a whole file (length -1) or a stretch of a tar."""

    key: str
    file: Path
    offset: int = 0
    length: int = -1

    def read(self) -> bytes:
        if self.length < 0:
            return self.file.read_bytes()
        with self.file.open("rb") as stream:
            stream.seek(self.offset)
            return stream.read(self.length)

    @property
    def held_out(self) -> bool:
        """Belongs to the validation share; a function of the key alone, so it never changes sides."""
        return int.from_bytes(hashlib.sha256(self.key.encode()).digest()[:4]) % HELD_OUT == 0


def find_photos(data: Path) -> list[Entry]:
    """All photographs of `data`: a tar, a folder of tars (name order), or a folder tree of photographs.

    Raises DataError where there are none or a tar is damaged.
    """
    data = Path(data)
    if not data.exists():
        raise DataError(f"{data}: not there; expected a folder of photographs or of .tar shards")
    if data.is_file():
        tars = [data]
    else:
        tars = sorted(data.glob("*.tar"))
    entries = [entry for tar in tars for entry in _tar_entries(tar)]
    if not tars:
        photos = sorted(p for p in data.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
        entries = [Entry(p.relative_to(data).as_posix(), p) for p in photos]
    if not entries:
        raise DataError(f"{data}: no photographs found; expected {', '.join(sorted(SUFFIXES))} files, or .tar shards")
    return entries


def _tar_entries(tar: Path) -> Iterator[Entry]:
    try:
        with tarfile.open(tar, "r:") as archive:
            for member in archive:
                if member.isfile() and Path(member.name).suffix.lower() in SUFFIXES:
                    yield Entry(member.name, tar, member.offset_data, member.size)
    except tarfile.TarError as error:
        raise DataError(f"{tar}: not a readable tar ({error}); expected an uncompressed WebDataset shard") from error


def fingerprint(entries: list[Entry]) -> str:
    """sha256 over keys and lengths: tells whether two runs saw the same data."""
    digest = hashlib.sha256()
    for entry in entries:
        digest.update(f"{entry.key}\0{entry.length}\n".encode())
    return digest.hexdigest()


@dataclass(frozen=True)
class CropSettings:
    """size: side of the square crop in pixels; area: least and greatest share of the photograph's largest centred
    square that a crop covers; mirror: flip left-right half of the time."""

    size: int = 128
    area: tuple[float, float] = (0.4, 1.0)
    mirror: bool = True


def decode(entry: Entry) -> Image.Image:
    """The photograph as RGB. Raises DataError naming it where it is no readable photograph."""
    try:
        image = Image.open(io.BytesIO(entry.read()))
        return image.convert("RGB")
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise DataError(f"{entry.key} in {entry.file.name}: unreadable ({error})") from error


def random_crop(image: Image.Image, settings: CropSettings, random: np.random.Generator) -> NDArray[np.uint8]:
    """A random square of the photograph, resized with antialiasing: [3, size, size] uint8."""
    side = min(image.size) * float(np.sqrt(random.uniform(*settings.area)))
    left = random.uniform(0, image.width - side)
    top = random.uniform(0, image.height - side)
    crop = image.resize((settings.size, settings.size), Image.Resampling.BILINEAR, (left, top, left + side, top + side))
    pixels = np.asarray(crop)
    if settings.mirror and random.random() < 0.5:
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


class TrainingPhotos(Dataset[Tensor]):
    """position -> uint8 RGB crop [3, size, size]. An unreadable photograph is named once and replaced by the next."""

    def __init__(self, entries: list[Entry], settings: CropSettings, seed: int) -> None:
        self.entries, self.settings, self.seed = entries, settings, seed
        self.unreadable: set[str] = set()

    def __getitem__(self, position: int) -> Tensor:
        epoch, place = divmod(position, len(self.entries))
        first = _permutation(self.seed, epoch, len(self.entries))[place]
        for step in range(len(self.entries)):
            entry = self.entries[(first + step) % len(self.entries)]
            if entry.key in self.unreadable:
                continue
            try:
                image = decode(entry)
            except DataError as error:
                log.warning("left out: %s", error)
                self.unreadable.add(entry.key)
                continue
            return torch.from_numpy(random_crop(image, self.settings, np.random.default_rng((self.seed, position))))
        raise DataError(f"none of the {len(self.entries)} photographs can be read")


@lru_cache(maxsize=2)
def _permutation(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    return np.random.default_rng((seed, epoch)).permutation(count)


class Positions(Sampler[list[int]]):
    """Batches of positions from `start` (in batches) to `stop`, for one of `ranks` processes: rank r of R takes its own
    stretch of each global batch, so that all ranks together see what a single process would."""

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
    """The held-out photographs, centre crops [3, size, size] uint8, never augmented."""

    def __init__(self, entries: list[Entry], size: int) -> None:
        self.entries, self.size = entries, size

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Tensor:
        image = decode(self.entries[index])
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        box = (left, top, left + side, top + side)
        crop = image.resize((self.size, self.size), Image.Resampling.BILINEAR, box)
        return torch.from_numpy(np.asarray(crop).transpose(2, 0, 1).copy())

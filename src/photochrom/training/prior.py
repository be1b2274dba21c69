"""The prior: how often each of the 313 bins occurs in a set of photographs (section 2.2 of the paper)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .. import ab_bins
from ..color import rgb_to_lab
from ..errors import DataError
from .data import Entry, decode

SAMPLE_SIDE = 32  # pixels a side; a prior needs many photographs rather than many pixels of each


def measure_prior(entries: list[Entry], photographs: int | None = None, seed: int = 0) -> NDArray[np.float64]:
    """The mean soft code [313] over `photographs` entries drawn without replacement (all of them by default).

    Unreadable photographs are left out; DataError if none is left.
    """
    order = np.random.default_rng(seed).permutation(len(entries))[:photographs]
    total, read = np.zeros(ab_bins.Q), 0
    for index in order:
        try:
            image = decode(entries[index])
        except DataError:
            continue
        image.thumbnail((SAMPLE_SIDE, SAMPLE_SIDE))
        lab = rgb_to_lab(np.asarray(image, dtype=np.float32) / 255)
        total += ab_bins.prior(lab[..., 1:])
        read += 1
    if not read:
        raise DataError("no photograph could be read; expected at least one to measure a prior")
    return total / read


def save_prior(path: Path, prior: NDArray[np.float64], photographs: int, data: str) -> None:
    """Write PRIOR.npz: `prior` [313], how many photographs it was measured on, and the data's fingerprint."""
    with path.open("wb") as stream:
        np.savez(stream, prior=prior, photographs=photographs, data=data)


def load_prior(path: Path) -> NDArray[np.float64]:
    """Read a prior written by save_prior, or a bare .npy of [313]. Raises DataError for anything else."""
    try:
        content = np.load(path, allow_pickle=False)
        prior = content if isinstance(content, np.ndarray) else content["prior"]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path}: not a prior ({error}); expected a file made by `photochrom data prior`") from error
    if prior.shape != (ab_bins.Q,):
        raise DataError(f"{path}: prior has shape {prior.shape}; expected ({ab_bins.Q},)")
    return prior.astype(np.float64)

"""The prior: how often each of the 313 bins occurs in a set of photographs (section 2.2 of the paper)."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .. import ab_bins
from ..errors import DataError
from .photo_list import Entry, PhotoList
from .photograph import Limits, UnusablePhoto, ab_of, grey, is_grey, open_entry, thumbnail
from .skips import Skips
from .survey import sample, survey

SAMPLE_SIDE = 32  # pixels a side; a prior needs many photographs rather than many pixels of each


@dataclass
class MeasuredPrior:
    """prior [313], summing to 1; photographs: how many it is the mean of; skipped: those left out."""

    prior: NDArray[np.float64]
    photographs: int
    skipped: Skips


@dataclass
class _Sum:
    codes: NDArray[np.float64] = field(default_factory=lambda: np.zeros(ab_bins.Q))
    photographs: int = 0
    unusable: list[UnusablePhoto] = field(default_factory=list)


def look_at(entries: Sequence[Entry]) -> _Sum:
    """The sum of the mean soft codes of these photographs."""
    found, colours = _Sum(), []
    limits = Limits()
    for entry in entries:
        try:
            image = open_entry(entry, SAMPLE_SIDE, limits.min_side).image
        except UnusablePhoto as photo:
            found.unusable.append(photo)
            continue
        small = thumbnail(image, SAMPLE_SIDE)
        if is_grey(small):
            found.unusable.append(grey(entry))
            continue
        colours.append(ab_of(small).reshape(-1, 2))
    found.photographs = len(colours)
    found.codes = sum_of_priors(colours)
    return found


def sum_of_priors(colours: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    """The sum of ab_bins.prior(ab) over photographs, ab [n, 2] of each; all at once, which is quicker."""
    if not colours:
        return np.zeros(ab_bins.Q)
    code = ab_bins.soft_encode(np.concatenate(colours))
    share = np.repeat([1 / len(ab) for ab in colours], [len(ab) for ab in colours])
    weights = (code.weights * share[:, None]).ravel()
    return np.asarray(np.bincount(code.bins.ravel(), weights, minlength=ab_bins.Q), np.float64)


def measure_prior(
    entries: Sequence[Entry], photographs: int | None = None, seed: int = 0, jobs: int = 1
) -> NDArray[np.float64]:
    """The mean soft code [313] over `photographs` entries drawn without replacement (all of them by default).

    Corrupt, tiny and near-grey photographs are left out, as in training; DataError if none is left.
    """
    return survey_prior(entries, photographs, seed, jobs).prior


def survey_prior(
    entries: Sequence[Entry],
    photographs: int | None = None,
    seed: int = 0,
    jobs: int = 1,
    progress: Callable[[int], None] = lambda count: None,
) -> MeasuredPrior:
    """As measure_prior, with what was left out. jobs: processes; the result is the same to the last bit for any number.
    progress: called with the number of photographs looked at since the last call."""
    photos, skips = PhotoList.of(entries), Skips()
    total, read = np.zeros(ab_bins.Q), 0
    for part in survey(photos, sample(photos, photographs, seed), look_at, jobs):
        total += part.codes
        read += part.photographs
        for photo in part.unusable:
            skips.add(photo)
        progress(part.photographs + len(part.unusable))
    if not read:
        raise DataError(
            f"no colours to measure: all of {skips.total} photographs are left out: {skips}; "
            "expected at least one coloured photograph"
        )
    return MeasuredPrior(total / total.sum(), read, skips)


def save_prior(path: Path, prior: NDArray[np.float64], photographs: int, data: str) -> None:
    """Write PRIOR.npz: `prior` [313], how many photographs it was measured on, and the data's fingerprint."""
    with path.open("wb") as stream:
        np.savez(stream, prior=prior, photographs=photographs, data=data)


def load_prior(path: Path) -> NDArray[np.float64]:
    """Read a prior written by save_prior, or a bare .npy of [313]; float64, summing to 1 but for rounding.

    Raises DataError for anything else: another file, another length, values that are no distribution.
    """
    made_by = "expected a file made by `photochrom data prior DATA -o PRIOR.npz`"
    try:
        content = np.load(path, allow_pickle=False)
        prior = np.asarray(content if isinstance(content, np.ndarray) else content["prior"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not a prior ({error}); {made_by}") from error
    if prior.shape != (ab_bins.Q,):
        raise DataError(
            f"{path}: prior has shape {list(prior.shape)}; expected [{ab_bins.Q}], one value a bin; {made_by}"
        )
    if prior.dtype.kind not in "fiu" or not (np.isfinite(prior).all() and (prior >= 0).all() and prior.sum() > 0):
        raise DataError(f"{path}: prior has negative, infinite or no mass; expected a distribution; {made_by}")
    return prior.astype(np.float64)

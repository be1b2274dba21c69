"""Baselines without a network, to put figures in perspective.

`constant` and `lightness-table` are the strongest of their kind: fitted to maximise gain@1, always on the even half.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .. import ab_bins
from ..errors import PhotoError, SettingError
from .block_store import digest
from .colour import GIVEN_UP, SIDE, T_MAX, inverse_frequency, nearest_bin, sampled
from .photographs import Photograph, read_crop, spread
from .systems import System, upsample

BASELINES = ("grey", "constant", "lightness-table", "random", "truth")
FITTED_ON = 2000  # photographs at most
LIGHTNESS_CELLS = 20  # of the table: 5 units of L each
TRIES = 50  # to find a photograph to take random colours from
RADIUS = ab_bins.AB_LIMIT
PLANE = np.arange(-RADIUS, RADIUS + 1)  # whole ab units
CANDIDATES = 100  # ab units: a fitted colour's largest |a|, |b|


class Grey:
    """No colour."""

    name = fingerprint = "grey"
    kind = "baseline"
    note = ""

    def ab(self, photograph: Photograph) -> NDArray[np.float32]:
        return np.zeros((*photograph.rgb.shape[:2], 2), dtype=np.float32)


class Truth:
    """The photograph's own colours."""

    name = fingerprint = "truth"
    kind = "baseline"
    note = ""

    def ab(self, photograph: Photograph) -> NDArray[np.float32]:
        return photograph.ab


class LightnessTable:
    """A colour for each range of L; with one range, a constant colour."""

    kind = "baseline"

    def __init__(self, name: str, colours: NDArray[np.float32], note: str) -> None:
        """colours: [cells, 2] CIE ab, for equal ranges of L from 0 to 100."""
        self.name = name
        self.note = note
        self.colours = colours
        self.fingerprint = f"table {colours.tolist()}"

    def ab(self, photograph: Photograph) -> NDArray[np.float32]:
        return self.colours[lightness_cell(photograph.lightness, len(self.colours))]


class RandomColours:
    """The colours of another photograph, chosen at random (by the seed and the photograph's name)."""

    name = "random"
    kind = "baseline"
    note = "colours of a random photograph of the even half"

    def __init__(self, sources: Sequence[Path], seed: int = 0) -> None:
        self._sources = sources
        self._seed = seed
        stats = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in sources]
        self.fingerprint = digest("random", seed, stats)

    def ab(self, photograph: Photograph) -> NDArray[np.float32]:
        rng = np.random.default_rng([self._seed, zlib.crc32(photograph.name.encode())])
        for _ in range(TRIES):
            path = self._sources[int(rng.integers(len(self._sources)))]
            if path.name == photograph.name:
                continue
            try:
                source = read_crop(path, SIDE).ab
                break
            except PhotoError:
                continue  # the evaluation names it
        else:
            raise SettingError("random: no other photograph to take colours from; expected at least two in the data")
        height, width = photograph.rgb.shape[:2]
        return upsample(source, height, width, SIDE, SIDE)


def make_baseline(name: str, even_half: Sequence[Path], seed: int = 0) -> System:
    """A baseline by name; those that must be fitted are fitted on `even_half`. Raises SettingError for another name."""
    if name == "grey":
        return Grey()
    if name == "truth":
        return Truth()
    if name == "random":
        return RandomColours(even_half, seed)
    if name not in BASELINES:
        raise SettingError(f"baseline is {name!r}; expected one of {', '.join(BASELINES)}")
    even_half = spread(list(even_half), FITTED_ON)
    cells = 1 if name == "constant" else LIGHTNESS_CELLS
    colours = best_table(colour_histogram(even_half, cells))
    note = f"fitted by gain@1 on the even half ({len(even_half)} photographs)"
    if cells == 1:
        note = f"a={colours[0, 0]:.0f} b={colours[0, 1]:.0f}, {note}"
    return LightnessTable(name, colours, note)


def lightness_cell(lightness: NDArray[np.floating], cells: int) -> NDArray[np.int64]:
    """Which of `cells` equal ranges of L 0..100 each value falls into."""
    return np.clip(lightness * (cells / 100), 0, cells - 1).astype(np.int64)


def colour_histogram(paths: Sequence[Path], cells: int) -> NDArray[np.float64]:
    """Pixels by range of L and whole ab unit, [cells, 257, 257], over the sampled pixels of all photographs."""
    side = len(PLANE)
    counts = np.zeros(cells * side * side)
    for path in paths:
        try:
            photograph = read_crop(path, SIDE)
        except PhotoError:
            continue  # the evaluation names it; the fit skips it
        a, b = (np.round(sampled(photograph.ab)).astype(np.int64) + RADIUS).T
        cell = lightness_cell(sampled(photograph.lightness[..., None])[:, 0], cells)
        counts += np.bincount((cell * side + a) * side + b, minlength=len(counts))
    return counts.reshape(cells, side, side)


def best_table(counts: NDArray[np.float64]) -> NDArray[np.float32]:
    """The colours [cells, 2] with the highest rebalanced AuC among those that give up at most 1 point of plain AuC.

    counts: [cells, 257, 257] from `colour_histogram`. Both figures are sums over the ranges of L, so a Lagrange
    multiplier makes the choice of each range independent: its colour maximises rebalanced + multiplier * plain.
    """
    plane = np.stack(np.meshgrid(PLANE, PLANE, indexing="ij"), -1)
    bins = nearest_bin(plane.reshape(-1, 2))
    per_bin = np.bincount(bins, counts.sum(0).ravel(), minlength=ab_bins.Q).astype(np.float64)
    weighted = counts * inverse_frequency(per_bin)[bins].reshape(plane.shape[:2])
    plain, rebalanced = (_scores(mass / mass.sum()) for mass in (counts, weighted))
    grey = plain[:, CANDIDATES, CANDIDATES].sum()
    cells = len(counts)
    plain, rebalanced = plain.reshape(cells, -1), rebalanced.reshape(cells, -1)

    low, high = -6.0, 6.0  # log10 of the multiplier: with the highest, plain AuC is all that counts
    for _ in range(40):
        middle = (low + high) / 2
        choice = np.argmax(rebalanced + 10**middle * plain, axis=1)
        if np.take_along_axis(plain, choice[:, None], 1).sum() >= grey - GIVEN_UP:
            high = middle
        else:
            low = middle
    choice = np.argmax(rebalanced + 10**high * plain, axis=1)
    return np.stack(np.divmod(choice, 2 * CANDIDATES + 1), -1).astype(np.float32) - CANDIDATES


def _scores(mass: NDArray[np.float64]) -> NDArray[np.float64]:
    """The part of the AuC (in %) of each range of L if it took each candidate colour: [cells, 201, 201].

    mass: [cells, 257, 257], summing to 1. A convolution with the score of a distance, by FFT.
    """
    reach = np.arange(-RADIUS - CANDIDATES, RADIUS + CANDIDATES + 1)
    kernel = np.maximum(1 - np.hypot(*np.meshgrid(reach, reach)) / T_MAX, 0)
    shape = (len(reach) + len(PLANE) - 1,) * 2
    spectrum = np.fft.rfft2(kernel, shape)
    # Row c of the full convolution lies at c + reach's and the plane's radius.
    first = 2 * RADIUS
    window = slice(first, first + 2 * CANDIDATES + 1)
    return np.stack([100 * np.fft.irfft2(np.fft.rfft2(m, shape) * spectrum, shape)[window, window] for m in mass])

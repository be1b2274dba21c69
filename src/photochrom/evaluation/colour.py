"""How near the colours are: AuC, rebalanced AuC, gain@1, RMSE, colourfulness.

All at 256x256 (central square), every 4th pixel in both directions, the pixels of all photographs pooled.

AuC is the area under the cumulative ab error: the share of pixels whose error is <= t, for t = 0..150, by the trapezoid
rule. As a mean of a function of one pixel's error (`pixel_score`) it is linear in the photographs: a sum for each
photograph is all that pooling and the bootstrap need, however many photographs there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import ab_bins
from ..color import lab_to_rgb
from . import bootstrap
from .photographs import Photograph

SIDE = 256  # pixels
STEP = 4  # every 4th pixel in both directions
T_MAX = 150  # ab units: the largest threshold
SCALES = np.arange(16) / 10  # chroma scales that gain@1 tries
GIVEN_UP = 1.0  # points of plain AuC that gain@1 allows to lose against grey

Floats = NDArray[np.float64]


def pixel_score(error: ArrayLike) -> NDArray[np.floating]:
    """A pixel's part in the AuC, 0..1: the trapezoid area of the step [error <= t] over t = 0..150, divided by 150."""
    k = np.ceil(error)  # the first whole threshold that reaches the error
    return np.where(k <= 0, 1, np.maximum(T_MAX - k + 0.5, 0) / T_MAX)


def sampled(field: NDArray) -> NDArray:
    """Every 4th pixel in both directions of [H, W, C], as [n, C]."""
    return field[::STEP, ::STEP].reshape(-1, field.shape[-1])


def colourfulness(rgb: ArrayLike) -> float:
    """Hasler and Suesstrunk's colourfulness M3 (2003) with signed opponents; rgb [..., 3] in 0..255."""
    r, g, b = np.moveaxis(np.asarray(rgb, dtype=np.float64), -1, 0)
    rg, yb = r - g, (r + g) / 2 - b
    return float(np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean()))


def rebalancing(photographs: Iterable[Photograph]) -> Floats:
    """Weights [313] = 1 / p of the nearest bin, p pooled over these photographs' true colours; 0 where p is 0."""
    counts = np.zeros(ab_bins.Q)
    for photograph in photographs:
        counts += np.bincount(nearest_bin(sampled(photograph.ab)), minlength=ab_bins.Q)
    return inverse_frequency(counts)


def inverse_frequency(counts: Floats) -> Floats:
    """1 / p where p = counts / sum(counts) is above 0, else 0."""
    return np.divide(counts.sum(), counts, out=np.zeros_like(counts), where=counts > 0)


def nearest_bin(ab: ArrayLike) -> NDArray[np.int64]:
    """The nearest of the 313 bins of each colour [n, 2], as [n]."""
    return ab_bins.nearest_bins(ab, k=1)[0][..., 0]


@dataclass(frozen=True)
class Interval:
    """A figure with its 95% interval over photographs."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ColourScores:
    """The figures of one system. AuC in %, gains in points of rebalanced AuC over grey."""

    auc: Interval
    rebalanced_auc: Interval
    rebalanced_gain: Interval  # at scale 1, whatever the plain AuC
    gain_at_1: Interval
    gain_scale: float  # the chroma scale at which gain@1 is read
    rmse_ab: Interval  # ab units: root of the mean squared distance in the ab plane
    colourfulness: Interval  # mean over photographs
    original_colourfulness: Interval
    photographs: int


class ColourTally:
    """Sums per photograph, filled by `add`; nothing else of a photograph is kept."""

    def __init__(self, weights: Floats) -> None:
        """weights: of each bin, from `rebalancing` of the same photographs."""
        self._weights = weights
        self._plain: list[Floats] = []  # each [16]: summed pixel scores at each scale
        self._rebalanced: list[Floats] = []
        self._mass: list[tuple[int, float]] = []  # pixels, summed weights
        self._squared: list[float] = []
        self._colourful: list[tuple[float, float]] = []

    def add(self, photograph: Photograph, ab: NDArray[np.floating]) -> None:
        """One photograph (central square) and the colours [H, W, 2] that a system gave it."""
        truth, given = sampled(photograph.ab).astype(np.float64), sampled(ab).astype(np.float64)
        weight = self._weights[nearest_bin(truth)]
        difference = given * SCALES[:, None, None] - truth  # [16, n, 2]
        score = pixel_score(np.hypot(difference[..., 0], difference[..., 1]))
        self._plain.append(score.sum(1))
        self._rebalanced.append(score @ weight)
        self._mass.append((len(truth), float(weight.sum())))
        self._squared.append(float(((given - truth) ** 2).sum()))
        lightness = sampled(photograph.lightness[..., None])
        rgb = np.round(255 * lab_to_rgb(np.concatenate([lightness, given], -1)))
        self._colourful.append((colourfulness(rgb), colourfulness(sampled(photograph.rgb))))

    def scores(self, seed: int = 0) -> ColourScores:
        """The pooled figures, with intervals by a paired bootstrap over photographs (gain@1 chooses its scale anew)."""
        n = len(self._mass)
        figures = self._figures()
        values = figures(np.ones((1, n)))[0]
        low, high = bootstrap.interval(figures, n, seed=seed)
        auc, balanced, gain, gain_1, scale, rmse, vivid, vivid_original = map(
            Interval, values.tolist(), low.tolist(), high.tolist()
        )
        return ColourScores(auc, balanced, gain, gain_1, scale.value, rmse, vivid, vivid_original, n)

    def minus(self, other: ColourTally, seed: int = 0) -> dict[str, Interval]:
        """This system's auc, rebalanced_auc, gain_at_1 and colourfulness minus another's on the same photographs, with
        intervals by a paired bootstrap."""
        n = len(self._mass)
        mine, its = self._figures(), other._figures()

        def differences(counts: Floats) -> Floats:
            return mine(counts) - its(counts)

        values = differences(np.ones((1, n)))[0]
        low, high = bootstrap.interval(differences, n, seed=seed)
        columns = {"auc": 0, "rebalanced_auc": 1, "gain_at_1": 3, "colourfulness": 6}
        return {name: Interval(float(values[i]), float(low[i]), float(high[i])) for name, i in columns.items()}

    def _figures(self) -> Callable[[Floats], Floats]:
        """counts [sets, photographs] -> the figures of ColourScores [sets, 8]."""
        n = len(self._mass)
        plain, rebalanced = np.array(self._plain), np.array(self._rebalanced)
        pixels, weight = np.array(self._mass, dtype=np.float64).T
        squared, (coloured, original) = np.array(self._squared), np.array(self._colourful).T

        def figures(counts: Floats) -> Floats:
            auc = 100 * (counts @ plain) / (counts @ pixels)[:, None]
            balanced = 100 * (counts @ rebalanced) / (counts @ weight)[:, None]
            index = gain_index(auc)
            unscaled = int(np.flatnonzero(SCALES == 1)[0])
            rows = np.arange(len(counts))
            return np.stack(
                [
                    auc[:, unscaled],
                    balanced[:, unscaled],
                    balanced[:, unscaled] - balanced[:, 0],
                    balanced[rows, index] - balanced[:, 0],
                    SCALES[index],
                    np.sqrt(counts @ squared / (counts @ pixels)),
                    counts @ coloured / n,
                    counts @ original / n,
                ],
                axis=1,
            )

        return figures


def gain_index(auc: Floats) -> NDArray[np.int64]:
    """Which scale gain@1 is read at: the largest whose plain AuC is no lower than grey's (scale 0) minus 1.

    auc: [..., 16], in %, at SCALES. Returns indices [...].
    """
    allowed = auc >= auc[..., :1] - GIVEN_UP
    return auc.shape[-1] - 1 - np.argmax(allowed[..., ::-1], axis=-1)

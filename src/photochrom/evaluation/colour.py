"""Colour accuracy: AuC, rebalanced AuC, gain@1, RMSE, PSNR, SSIM, colourfulness.

All at 256x256 (central square), every 4th pixel in both directions, the pixels of all photographs pooled.

AuC is the area under the cumulative ab error: the share of pixels whose error is <= t, for t = 0..150, by the trapezoid
rule. As a mean of a function of one pixel's error (`pixel_score`) it is linear in the photographs: a sum for each
photograph is all that pooling and the bootstrap need, however many photographs there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from .. import ab_bins
from ..color import lab_to_rgb
from ..errors import DataError
from . import bootstrap
from .judges.semantic import merged
from .photographs import Photograph
from .results import AB_CELL, AB_CELLS, ColourScores, Interval
from .rows import Row, Rows, stacked

SIDE = 256  # pixels
VERSION = 1  # version of the rows; cached rows of another version are not used
STEP = 4  # every 4th pixel in both directions
T_MAX = 150  # ab units: the largest threshold
SCALES = np.arange(16) / 10  # chroma scales that gain@1 tries
BEST_PSNR = 100.0  # dB
UNSCALED = 10  # where in SCALES the chroma is as given
GIVEN_UP = 1.0  # points of plain AuC that gain@1 allows to lose against grey

Floats = NDArray[np.float64]

POOLED = ("steps", "cells")
FIGURES = (
    "auc",
    "rebalanced_auc",
    "rebalanced_gain",
    "gain_at_1",
    "gain_scale",
    "rmse_ab",
    "psnr",
    "ssim",
    "colourfulness",
    "original_colourfulness",
    "absolute_colourfulness",
    "original_absolute_colourfulness",
)
"""What `ColourTally` computes, in this order, under ColourScores' names."""


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


def absolute_colourfulness(rgb: ArrayLike) -> float:
    """The form of it that published figures use: |R - G| and |(R + G) / 2 - B|; rgb [..., 3] in 0..255."""
    r, g, b = np.moveaxis(np.asarray(rgb, dtype=np.float64), -1, 0)
    rg, yb = np.abs(r - g), np.abs((r + g) / 2 - b)
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


def colour_row(photograph: Photograph, ab: NDArray[np.floating], weights: Floats) -> Row:
    """One photograph's contribution: the sums behind the pooled figures, and its own PSNR, SSIM and colourfulness.

    photograph: central square. ab: the colours [H, W, 2] that a system gave it. weights: [313], from `rebalancing`.
    """
    truth, given = sampled(photograph.ab).astype(np.float64), sampled(ab).astype(np.float64)
    weight = weights[nearest_bin(truth)]
    difference = given * SCALES[:, None, None] - truth  # [16, n, 2]
    error = np.hypot(difference[..., 0], difference[..., 1])
    score = pixel_score(error)
    step = np.minimum(np.ceil(error[UNSCALED]), T_MAX + 1).astype(np.int64)  # the first threshold that reaches it
    lightness = sampled(photograph.lightness[..., None])
    coloured = np.round(255 * lab_to_rgb(np.concatenate([lightness, given], -1)))
    shown = merged(photograph, ab)
    return {
        "plain": score.sum(1),
        "rebalanced": score @ weight,
        "pixels": np.float64(len(truth)),
        "weight": weight.sum(),
        "squared": ((given - truth) ** 2).sum(),
        "colourful": np.array([colourfulness(coloured), colourfulness(sampled(photograph.rgb))]),
        "absolutely": np.array([absolute_colourfulness(coloured), absolute_colourfulness(sampled(photograph.rgb))]),
        "psnr": _psnr(photograph.rgb, shown),
        "ssim": structural_similarity(photograph.rgb, shown, channel_axis=-1, data_range=255),
        "steps": np.stack([np.bincount(step, w, minlength=T_MAX + 2) for w in (np.ones_like(weight), weight)]),
        "cells": ab_cells(given),
    }


def _psnr(rgb: NDArray[np.uint8], shown: NDArray[np.uint8]) -> float:
    """In dB; of equal pictures BEST_PSNR, since infinity has no mean."""
    return BEST_PSNR if np.array_equal(rgb, shown) else float(peak_signal_noise_ratio(rgb, shown, data_range=255))


def ab_cells(ab: NDArray[np.floating]) -> Floats:
    """How many of the colours [n, 2] fall into each cell of the ab plane, [AB_CELLS, AB_CELLS]: a down, b along."""
    cell = np.clip((ab + AB_CELL * AB_CELLS / 2) // AB_CELL, 0, AB_CELLS - 1).astype(np.int64)
    counts = np.bincount(cell[:, 0] * AB_CELLS + cell[:, 1], minlength=AB_CELLS**2)
    return counts.reshape(AB_CELLS, AB_CELLS).astype(np.float64)


class ColourTally:
    """The rows of one system's photographs; nothing else of a photograph is kept."""

    def __init__(self, rows: Rows) -> None:
        """rows: `colour_row`'s figures stacked over photographs, [n, ...] each; POOLED ones summed over them."""
        self._rows = rows
        self._n = len(rows["plain"])

    @classmethod
    def of(cls, photographs: Iterable[tuple[Photograph, NDArray[np.floating]]], weights: Floats) -> ColourTally:
        """Of photographs (central squares) with the colours [H, W, 2] that a system gave them."""
        rows = stacked([colour_row(photograph, ab, weights) for photograph, ab in photographs], POOLED)
        if rows is None:
            raise DataError("no photographs to score; expected at least one")
        return cls(rows)

    def scores(self, seed: int = 0) -> ColourScores:
        """The pooled figures, with intervals by a paired bootstrap over photographs (gain@1 chooses its scale anew).
        Photographs without colours, on which the system failed, count nowhere."""
        there = self._rows["pixels"] > 0
        if not there.all():
            rows = {name: value if name in POOLED else value[there] for name, value in self._rows.items()}
            return ColourTally(rows).scores(seed)
        given = bootstrap.intervals(self._figures(), FIGURES, self._n, seed)
        scale = given.pop("gain_scale").value
        return ColourScores(gain_scale=scale, photographs=self._n, **given)

    def curves(self) -> Floats:
        """[2, 151]: the share 0..1 of pixels whose error is <= t, t = 0..150; plain and rebalanced."""
        steps = self._rows["steps"]
        return np.cumsum(steps, axis=1)[:, : T_MAX + 1] / steps.sum(1, keepdims=True)

    def by_photograph(self) -> tuple[Floats, Floats]:
        """AuC in % and gain over grey in points of rebalanced AuC of each photograph, [n]; NaN without colours."""
        rows = self._rows
        with np.errstate(invalid="ignore"):
            auc = 100 * rows["plain"][:, UNSCALED] / rows["pixels"]
            gain = 100 * (rows["rebalanced"][:, UNSCALED] - rows["rebalanced"][:, 0]) / rows["weight"]
        return auc, gain

    def minus(self, other: ColourTally, seed: int = 0) -> dict[str, Interval]:
        """This system's auc, rebalanced_auc, gain_at_1 and colourfulness minus another's on the same photographs, with
        intervals by a paired bootstrap."""
        mine, its = self._figures(), other._figures()

        def differences(counts: Floats) -> Floats:
            return mine(counts) - its(counts)

        found = bootstrap.intervals(differences, FIGURES, self._n, seed)
        return {name: found[name] for name in ("auc", "rebalanced_auc", "gain_at_1", "colourfulness")}

    def _figures(self) -> Callable[[Floats], Floats]:
        """counts [sets, photographs] -> FIGURES [sets, 12]."""
        rows = self._rows
        means = np.column_stack([rows["psnr"], rows["ssim"], rows["colourful"], rows["absolutely"]])

        def figures(counts: Floats) -> Floats:
            pixels = counts @ rows["pixels"]
            auc = 100 * (counts @ rows["plain"]) / pixels[:, None]
            balanced = 100 * (counts @ rows["rebalanced"]) / (counts @ rows["weight"])[:, None]
            index = gain_index(auc)
            gain = balanced - balanced[:, :1]
            chosen = np.arange(len(counts)), index
            rmse = np.sqrt(counts @ rows["squared"] / pixels)
            pooled = [auc[:, UNSCALED], balanced[:, UNSCALED], gain[:, UNSCALED], gain[chosen], SCALES[index], rmse]
            return np.column_stack([*pooled, counts @ means / counts.sum(1, keepdims=True)])

        return figures


def gain_index(auc: Floats) -> NDArray[np.int64]:
    """The scale at which gain@1 is read: the largest whose plain AuC is no lower than grey's (scale 0) minus 1.

    auc: [..., 16], in %, at SCALES. Returns indices [...].
    """
    allowed = auc >= auc[..., :1] - GIVEN_UP
    return auc.shape[-1] - 1 - np.argmax(allowed[..., ::-1], axis=-1)

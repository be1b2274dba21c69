"""The 313 bins of the ab plane: output space of "Colorful Image Colorization" (Zhang, Isola, Efros, 2016), in numpy.

Section 2.1: the ab plane is quantised on a grid of 10 into Q = 313 bins that occur in sRGB.
Section 2.2: a bin's weight in the loss falls with its frequency, so that rare colours are learnt.
Section 2.3: a predicted distribution becomes one colour by the annealed mean.

Colours are CIE ab (D65), float, about -110..110; the last axis holds (a, b). The order of the bins is a, then b.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

GRID = 10  # distance of neighbouring centres, in ab units
Q = 313  # bins, "in gamut" by the paper's count
NEIGHBOURS = 5  # bins that share one colour in the soft encoding (section 2.1)
SIGMA = 5.0  # width of the soft encoding and of the prior's smoothing, in ab units (sections 2.1, 2.2)
LAMBDA = 0.5  # share of the uniform distribution in the class weights (section 2.2)
TEMPERATURE = 0.38  # of the annealed mean (section 2.3)
AB_LIMIT = 128  # beyond any ab of an 8-bit or 16-bit sRGB photograph

# a -> (first b, last b), as published: no simple gamut rule gives this set.
_B_RANGE = {
    -90: (50, 90), -80: (20, 90), -70: (0, 90), -60: (-20, 90), -50: (-30, 100), -40: (-40, 100), -30: (-50, 100),
    -20: (-50, 100), -10: (-60, 100), 0: (-70, 100), 10: (-80, 90), 20: (-80, 90), 30: (-90, 90), 40: (-100, 90),
    50: (-100, 80), 60: (-110, 80), 70: (-110, 80), 80: (-110, 70), 90: (-110, 70), 100: (-90, 0),
}  # fmt: skip

CENTRES: NDArray[np.int64] = np.array(
    [(a, b) for a, (first, last) in _B_RANGE.items() for b in range(first, last + 1, GRID)], dtype=np.int64
)
"""[313, 2] int64: the (a, b) of each bin's centre."""
CENTRES.setflags(write=False)


class SoftCode(NamedTuple):
    """A sparse distribution over the bins: `bins` [..., k] int64, nearest first; `weights` [..., k], summing to 1."""

    bins: NDArray[np.int64]
    weights: NDArray[np.float64]


_CELL = 4.0  # ab units; side of a look-up cell


@lru_cache(maxsize=8)
def candidate_table(k: int = NEIGHBOURS) -> tuple[NDArray[np.int64], float]:
    """For each cell of the ab plane, the few bins that can be among the k nearest of any colour in it.

    Returns ([n, n, m] int64 bin indices, rising, padded with Q; cell side in ab units); cell (i, j) starts at
    (-AB_LIMIT + i * side, -AB_LIMIT + j * side). A bin is a candidate if its least distance to the cell is not above
    the k-th smallest of the greatest distances, so a search among the candidates is exact.
    """
    edges = np.arange(-AB_LIMIT, AB_LIMIT, _CELL)
    n = len(edges)
    corner = np.stack(np.meshgrid(edges, edges, indexing="ij"), -1).reshape(-1, 1, 2)
    low, high = corner - CENTRES, corner + _CELL - CENTRES  # [n*n, Q, 2]
    least = np.maximum(np.maximum(low, -high), 0.0)
    most = np.maximum(np.abs(low), np.abs(high))
    bound = np.partition((most**2).sum(-1), k - 1, axis=1)[:, k - 1 : k]
    possible = (least**2).sum(-1) <= bound
    m = int(possible.sum(1).max())
    order = np.argsort(~possible, axis=1, kind="stable")[:, :m]  # candidates first, rising index
    table = np.where(np.take_along_axis(possible, order, 1), order, Q).reshape(n, n, m)
    table.setflags(write=False)
    return table, _CELL


def nearest_bins(ab: ArrayLike, k: int = NEIGHBOURS) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The k nearest bins of each colour, ties to the lowest index.

    ab: [..., 2], each value within +-128. Returns (bins [..., k] int64, squared distances [..., k] float64).
    Raises ValueError for k outside 1..313, another last axis, or colours beyond +-128 (or NaN).
    """
    if not 1 <= k <= Q:
        raise ValueError(f"k is {k}; expected 1..{Q}")
    colours = np.asarray(ab, dtype=np.float64)
    if colours.ndim < 1 or colours.shape[-1] != 2:
        raise ValueError(f"ab has shape {colours.shape}; expected [..., 2]")
    flat = colours.reshape(-1, 2)
    if flat.size and not bool((np.abs(flat) <= AB_LIMIT).all()):
        raise ValueError(f"ab reaches {np.abs(flat).max()}; expected values within +-{AB_LIMIT}")
    table, side = candidate_table(k)
    cell = np.minimum(((flat + AB_LIMIT) // side).astype(np.int64), table.shape[0] - 1)
    candidates = table[cell[:, 0], cell[:, 1]]  # [n, m]
    distance = ((flat[:, None, :] - _PADDED_CENTRES[candidates]) ** 2).sum(-1)
    order = np.argsort(distance, axis=1, kind="stable")[:, :k]
    shape = (*colours.shape[:-1], k)
    return (
        np.take_along_axis(candidates, order, 1).reshape(shape),
        np.take_along_axis(distance, order, 1).reshape(shape),
    )


_PADDED_CENTRES = np.concatenate([CENTRES, [[1e6, 1e6]]])  # row Q: the padding of the table, never near


def soft_encode(ab: ArrayLike, k: int = NEIGHBOURS, sigma: float = SIGMA) -> SoftCode:
    """Colours as soft codes: the k nearest bins, weighted by exp(-d^2 / (2 sigma^2)), normalised (section 2.1).

    ab: [..., 2]. sigma in ab units: 5 in the paper (the released code has 10). Errors as nearest_bins.
    """
    if not sigma > 0:
        raise ValueError(f"sigma is {sigma}; expected above 0")
    bins, squared = nearest_bins(ab, k)
    # Relative to the nearest: far outside the bins every plain weight would underflow to 0.
    weights = np.exp((squared[..., :1] - squared) / (2 * sigma**2))
    return SoftCode(bins, weights / weights.sum(-1, keepdims=True))


def dense(code: SoftCode) -> NDArray[np.float64]:
    """A soft code as a full distribution [..., 313]."""
    full = np.zeros((*code.bins.shape[:-1], Q))
    np.put_along_axis(full, code.bins, code.weights, -1)
    return full


def prior(ab: ArrayLike, k: int = NEIGHBOURS, sigma: float = SIGMA) -> NDArray[np.float64]:
    """The empirical distribution of colours: the mean soft code of ab [..., 2], as [313] summing to 1 (section 2.2)."""
    code = soft_encode(ab, k, sigma)
    if code.bins.size == 0:
        raise ValueError("no colours; expected at least one to estimate a prior")
    total = np.bincount(code.bins.ravel(), code.weights.ravel(), minlength=Q)
    return total / total.sum()


@lru_cache(maxsize=8)
def _smoothing_kernel(sigma: float) -> NDArray[np.float64]:
    squared = ((CENTRES[:, None, :] - CENTRES[None, :, :]) ** 2).sum(-1)
    kernel = np.exp(-squared / (2 * sigma**2))
    return kernel / kernel.sum(0, keepdims=True)  # each bin distributes exactly its own mass


def smooth_prior(p: ArrayLike, sigma: float = SIGMA) -> NDArray[np.float64]:
    """p~: the prior p [313] smoothed by a Gaussian of `sigma` ab units on the bin grid; sums to 1 (section 2.2)."""
    smoothed = _smoothing_kernel(float(sigma)) @ _distribution(p)
    return smoothed / smoothed.sum()


def class_weights(p: ArrayLike, lam: float = LAMBDA, sigma: float = SIGMA) -> NDArray[np.float64]:
    """Rebalancing weights w [313]: 1 / ((1 - lam) p~ + lam / Q), scaled so that sum(p~ w) = 1 (equation 4).

    p: the prior [313], not yet smoothed. lam in 0..1: 1 gives no rebalancing. A bin that never occurs weighs no more
    than the rarest that does (at lam = 0 the formula alone would give it 1/0).
    """
    if not 0 <= lam <= 1:
        raise ValueError(f"lambda is {lam}; expected 0..1")
    smoothed = smooth_prior(p, sigma)
    mix = (1 - lam) * smoothed + lam / Q
    mix = np.maximum(mix, mix[_distribution(p) > 0].min())
    weights = 1 / mix
    return weights / (smoothed * weights).sum()


def _distribution(p: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(p, dtype=np.float64)
    if values.shape != (Q,):
        raise ValueError(f"prior has shape {values.shape}; expected [{Q}]")
    if not (np.isfinite(values).all() and (values >= 0).all() and values.sum() > 0):
        raise ValueError("prior has negative, infinite or no mass; expected a distribution over the 313 bins")
    return values / values.sum()


def annealed_mean(probabilities: ArrayLike, temperature: float = TEMPERATURE) -> NDArray[np.float64]:
    """One colour [..., 2] per distribution [..., 313]: the expectation of the centres under
    f_T(z) = exp(log z / T) / sum exp(log z / T) (equation 5). T = 1 is the mean; T -> 0 tends to the mode.
    """
    if not (np.isfinite(temperature) and temperature > 0):
        raise ValueError(f"temperature is {temperature}; expected a finite number above 0")
    z = np.asarray(probabilities, dtype=np.float64)
    with np.errstate(divide="ignore"):
        logits = np.log(z) / temperature
    logits -= logits.max(-1, keepdims=True)  # the largest is 0: no overflow, and the mode never underflows
    annealed = np.exp(logits)
    return (annealed @ CENTRES) / annealed.sum(-1, keepdims=True)


def mean(probabilities: ArrayLike) -> NDArray[np.float64]:
    """The expectation of the centres [..., 2]: the annealed mean at T = 1."""
    return annealed_mean(probabilities, 1.0)


def mode(probabilities: ArrayLike) -> NDArray[np.float64]:
    """The centre of the most probable bin [..., 2]: the limit of the annealed mean at T -> 0; ties to the lowest."""
    return CENTRES[np.argmax(np.asarray(probabilities), axis=-1)].astype(np.float64)

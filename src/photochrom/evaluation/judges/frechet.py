"""The Frechet distance between the features of two sets of photographs.

    |mean_1 - mean_2|^2 + trace(C_1 + C_2 - 2 (C_1 C_2)^(1/2))

for Gaussians of the same means and covariances (Dowson and Landau 1982). With Inception-v3's features it is known as
FID; with any other network's it has another scale, and must be called the Frechet distance on that classifier's
features, never FID. Smaller is more similar; 0 for the same set.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError

MIN_PHOTOGRAPHS = 5000
"""Below this no figure is given. With few photographs the estimate is biased upwards: two samples of the same
distribution have a distance above 0, which grows with fewer photographs and more features (a covariance of 1,280
features has 820,000 entries, and its rank is at most the number of photographs). The figure then mostly reflects the
sample size."""


class Moments:
    """Count, mean and covariance of features, accumulated incrementally: memory for dimension^2 numbers, however many
    photographs. Two halves of a set, merged, equal the whole.
    """

    def __init__(self, dimension: int) -> None:
        """dimension: features of a photograph."""
        self.count = 0
        self.mean = np.zeros(dimension)
        self._scatter = np.zeros((dimension, dimension))  # sum of the outer products of deviations from the mean

    @property
    def dimension(self) -> int:
        return len(self.mean)

    @property
    def covariance(self) -> NDArray[np.float64]:
        """[D, D], unbiased (n - 1). Raises DataError with fewer than two photographs."""
        if self.count < 2:
            raise DataError(f"the covariance of {self.count} photographs is not defined; expected at least 2")
        return self._scatter / (self.count - 1)

    def add(self, features: NDArray[np.floating]) -> None:
        """Features of n photographs, [n, D]. Raises DataError for another D or values that are not finite."""
        values = np.asarray(features, dtype=np.float64)
        if values.ndim != 2 or values.shape[1] != self.dimension:
            raise DataError(f"features have the shape {list(values.shape)}; expected [n, {self.dimension}]")
        if not np.isfinite(values).all():
            raise DataError("features hold values that are not finite; expected a classifier's features")
        if len(values):
            mean = values.mean(0)
            deviations = values - mean
            self._join(len(values), mean, deviations.T @ deviations)

    def merge(self, other: Moments) -> None:
        """Take in another part of the same set. Raises DataError for another dimension."""
        if other.dimension != self.dimension:
            raise DataError(f"features have {other.dimension} dimensions; expected {self.dimension}")
        if other.count:
            self._join(other.count, other.mean, other._scatter)

    def _join(self, count: int, mean: NDArray[np.float64], scatter: NDArray[np.float64]) -> None:
        # Chan, Golub and LeVeque 1983: avoids cancellation.
        total = self.count + count
        step = mean - self.mean
        self._scatter += scatter + np.outer(step, step) * (self.count * count / total)
        self.mean = self.mean + step * (count / total)
        self.count = total

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Everything, as the arrays of an .npz file."""
        return {"count": np.array(self.count), "mean": self.mean.copy(), "scatter": self._scatter.copy()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Moments:
        """What to_arrays gave. Raises DataError for anything else."""
        missing = {"count", "mean", "scatter"} - set(arrays)
        if missing:
            raise DataError(f"moments lack {', '.join(sorted(missing))}; expected count, mean and scatter")
        mean, scatter = (np.array(arrays[key], dtype=np.float64) for key in ("mean", "scatter"))
        count = int(arrays["count"])
        if mean.ndim != 1 or scatter.shape != (len(mean), len(mean)) or count < 0:
            found = f"count {count}, mean {list(mean.shape)}, scatter {list(scatter.shape)}"
            raise DataError(f"moments have {found}; expected a count of 0 or more, mean [D] and scatter [D, D]")
        moments = cls(len(mean))
        moments.count, moments.mean, moments._scatter = count, mean, scatter
        return moments


def distance_name(classifier: str) -> str:
    """The name of the figure; only Inception-v3's may be called FID."""
    return f"Frechet distance on {classifier}'s features"


def frechet_distance(first: Moments, second: Moments) -> float:
    """The squared distance of the formula above, 0 or more, in squared units of the features.

    Covariances may be singular. It takes seconds at D = 1,280. Raises DataError for features of
    two kinds and for fewer than two photographs. MIN_PHOTOGRAPHS is not checked: see reportable_distance.
    """
    if first.dimension != second.dimension:
        raise DataError(f"features have {first.dimension} and {second.dimension} dimensions; expected the same")
    one, two = first.covariance, second.covariance
    # trace((C_1 C_2)^(1/2)) is the sum of the singular values of C_1^(1/2) C_2^(1/2): no complex numbers, no inverse.
    shared = np.linalg.svd(_root(one) @ _root(two), compute_uv=False).sum()
    step = first.mean - second.mean
    return float(max(0.0, step @ step + np.trace(one) + np.trace(two) - 2 * shared))


def _root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """The symmetric square root of a symmetric matrix without negative eigenvalues."""
    values, vectors = np.linalg.eigh(covariance)
    # Eigenvalues that are 0 come out as rounding errors of either sign, and a root would make them much larger.
    noise = len(values) * np.finfo(np.float64).eps * values.max(initial=0)
    return (vectors * np.sqrt(np.where(values > noise, values, 0))) @ vectors.T


def reportable_distance(first: Moments, second: Moments) -> float | None:
    """frechet_distance, or None where either set has fewer than MIN_PHOTOGRAPHS."""
    if min(first.count, second.count) < MIN_PHOTOGRAPHS:
        return None
    return frechet_distance(first, second)

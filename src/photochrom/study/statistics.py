"""How often a coloured photograph is taken for real, with confidence intervals.

Answers are not independent: some people are easier to fool, and some photographs are more convincing. Two intervals:

- over participants (`participant_interval`), as in the paper (section 3.1): what other people would answer about these
  very photographs;
- over participants and photographs (`crossed_interval`): what other people would answer about other photographs of the
  same kind. This is the one to quote about an algorithm.

The second is a two-way cluster-robust interval. With e an answer's deviation from the mean (1 fooled, 0 not) and n
answers, the variance of the mean is

    V = V_participants + V_photographs - V_answers,   V_clusters = G / (G - 1) * sum over clusters (sum of e)^2 / n^2

(answers are clusters of one), at least V_answers. The interval is symmetric on the logit scale, with the quantile of
Student's t on G - 1 degrees of freedom, G the smaller number of clusters. benchmarks/study_coverage.py measures how
often it covers the truth.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit, stdtrit

from ..evaluation import bootstrap

LEVEL = 0.95

Floats = NDArray[np.float64]


def crossed_interval(fooled: ArrayLike, participant: ArrayLike, photograph: ArrayLike) -> tuple[Floats, Floats]:
    """The 95% interval (low, high), 0..1, of the mean of `fooled` over participants and photographs.

    fooled: [..., n] of 0 and 1, any number of studies of one design; participant, photograph: [n] numbers that tell
    who answered, and about what. With fewer than two participants or photographs there is none: NaN. Where all
    answers of a study are alike, their variance cannot be estimated: the exact binomial interval that counts each
    participant (or photograph, if they are fewer) as one answer.
    """
    answers = np.asarray(fooled, dtype=np.float64)
    n = answers.shape[-1]
    people, pictures = _Clusters(participant, n), _Clusters(photograph, n)
    fewest = min(people.number, pictures.number)
    if fewest < 2:
        nothing = np.full(answers.shape[:-1], np.nan)
        return nothing, nothing.copy()
    mean = answers.mean(-1)
    deviations = answers - mean[..., None]
    alone = (deviations**2).sum(-1) / n**2 * n / (n - 1)
    variance = np.maximum(people.variance(deviations) + pictures.variance(deviations) - alone, alone)
    alike = (mean == 0) | (mean == 1)
    inside = np.where(alike, 0.5, mean)
    centre = logit(inside)
    reach = stdtrit(fewest - 1, (1 + LEVEL) / 2) * np.sqrt(variance) / (inside * (1 - inside))
    low, high = (expit(centre + step) for step in (-reach, reach))
    rest = ((1 - LEVEL) / 2) ** (1 / fewest)
    low = np.where(alike, np.where(mean == 1, rest, 0), low)
    high = np.where(alike, np.where(mean == 0, 1 - rest, 1), high)
    return low, high


def participant_interval(fooled: ArrayLike, participant: ArrayLike, seed: int = 0) -> tuple[Floats, Floats]:
    """The 95% interval (low, high), 0..1, of the mean of `fooled` by a bootstrap over participants.

    fooled: [..., n] of 0 and 1; participant: [n]. With fewer than two participants there is none: NaN.
    """
    answers = np.asarray(fooled, dtype=np.float64)
    shape = answers.shape[:-1]
    people = _Clusters(participant, answers.shape[-1])
    if people.number < 2:
        return np.full(shape, np.nan), np.full(shape, np.nan)
    sums = people.sums(answers).reshape(-1, people.number)

    def means(counts: Floats) -> Floats:
        return counts @ sums.T / (counts @ people.sizes)[:, None]

    low, high = bootstrap.interval(means, people.number, seed=seed)
    return low.reshape(shape), high.reshape(shape)


class _Clusters:
    """Which answers belong together."""

    def __init__(self, labels: ArrayLike, n: int) -> None:
        values = np.asarray(labels)
        if values.shape != (n,):
            raise ValueError(f"labels have shape {values.shape}; expected [{n}], one for each answer")
        self._order = np.argsort(values, kind="stable")
        _, self._starts, self.sizes = np.unique(values[self._order], return_index=True, return_counts=True)
        self.number = len(self.sizes)

    def sums(self, values: Floats) -> Floats:
        """Over each cluster: [..., n] -> [..., number]."""
        return np.add.reduceat(values[..., self._order], self._starts, axis=-1)

    def variance(self, deviations: Floats) -> Floats:
        """Of the mean, from deviations [..., n]: [...]."""
        total = (self.sums(deviations) ** 2).sum(-1) / deviations.shape[-1] ** 2
        result: Floats = total * self.number / (self.number - 1)
        return result

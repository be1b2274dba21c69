"""Simulated studies, to check the coverage of confidence intervals.

People differ in how easily they are fooled, and photographs in how convincing they are. An answer is wrong with
probability logistic(mean + participant's effect + photograph's effect), both effects normal and drawn
for each study. Pairs are assigned by plan.session. The truth is the share over the whole population of people and
photographs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit

from .plan import Study, session
from .records import Side, Trial
from .statistics import crossed_interval, participant_interval

BATCH = 100  # studies in memory at a time
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(80)


@dataclass(frozen=True)
class Population:
    """The population of people and photographs."""

    rate: float  # 0..1: how often the coloured photograph is taken for real
    participant_sd: float  # of the participants' effect on the logit
    photograph_sd: float  # of the photographs' effect on the logit

    @property
    def mean(self) -> float:
        """The logit's mean that gives the rate."""
        spread = np.hypot(self.participant_sd, self.photograph_sd) * _NODES
        weights = _WEIGHTS / _WEIGHTS.sum()
        return float(brentq(lambda mean: weights @ expit(mean + spread) - self.rate, -50, 50))


@dataclass(frozen=True)
class Coverage:
    """How often an interval held the true rate, and how wide it was on average."""

    covered: float  # 0..1, share of the studies
    below: float  # 0..1, share of the studies whose interval lies below the truth
    above: float
    width: float  # 0..1


def design(participants: int, photographs: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Who answers about what: (participant [n], photograph [n]) of the pairs that count; a study of one algorithm."""
    plan = Study("simulated", 0, ("simulated",), tuple(f"p{i:04d}" for i in range(photographs)))
    rows = [
        (person, plan.photographs.index(pair.photograph))
        for person in range(participants)
        for pair in session(plan, person).pairs
        if pair.kind == "test"
    ]
    who, what = np.array(rows, dtype=np.int64).T
    return who, what


def simulate(
    population: Population,
    who: NDArray[np.int64],
    what: NDArray[np.int64],
    studies: int,
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """Whether each answer was wrong, [studies, n], for a design from `design`."""
    people = rng.normal(0, population.participant_sd, (studies, who.max() + 1))
    pictures = rng.normal(0, population.photograph_sd, (studies, what.max() + 1))
    chance = expit(population.mean + people[:, who] + pictures[:, what])
    return rng.random(chance.shape) < chance


def simulated_answers(study: Study, population: Population, participants: int, seed: int = 0) -> list[Trial]:
    """Whole sessions of people who recognise every pair of random colours: what a study's database would hold."""
    rng = np.random.default_rng(seed)
    pictures = dict(
        zip(study.photographs, rng.normal(0, population.photograph_sd, len(study.photographs)), strict=True)
    )
    trials = []
    for number in range(participants):
        planned = session(study, number)
        person = rng.normal(0, population.participant_sd)
        for position, pair in enumerate(planned.pairs):
            chance = expit(population.mean + person + pictures[pair.photograph])
            fooled = pair.kind != "vigilance" and rng.random() < chance
            other: Side = "left" if pair.real_side == "right" else "right"
            trials.append(
                Trial(
                    participant=f"{number:08d}",
                    algorithm=planned.algorithm,
                    position=position,
                    kind=pair.kind,
                    photograph=pair.photograph,
                    real_side=pair.real_side,
                    state="answered",
                    chosen=other if fooled else pair.real_side,
                    shown_ms=float(study.shown_ms),
                    reaction_ms=float(np.round(rng.lognormal(6.8 + 0.2 * fooled, 0.5))),
                    answered_at="2000-01-01T00:00:00+00:00",
                )
            )
    return trials


def coverage(
    population: Population, participants: int, photographs: int, studies: int = 1000, seed: int = 0
) -> dict[str, Coverage]:
    """Of both intervals: {"crossed": ..., "participants": ...}."""
    who, what = design(participants, photographs)
    rng = np.random.default_rng(seed)
    found: dict[str, list[NDArray[np.float64]]] = {"crossed": [], "participants": []}
    for start in range(0, studies, BATCH):
        fooled = simulate(population, who, what, min(BATCH, studies - start), rng)
        found["crossed"].append(np.stack(crossed_interval(fooled, who, what)))
        found["participants"].append(np.stack(participant_interval(fooled, who, seed=start)))
    return {name: _coverage(np.concatenate(parts, axis=1), population.rate) for name, parts in found.items()}


def _coverage(intervals: NDArray[np.float64], rate: float) -> Coverage:
    low, high = intervals
    below, above = float((high < rate).mean()), float((low > rate).mean())
    return Coverage(covered=1 - below - above, below=below, above=above, width=float((high - low).mean()))

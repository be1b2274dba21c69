"""From the raw answers of a study to its figures. What counts and who is left out is fixed here, before any answer.

A coloured photograph fooled a participant if they took it for the real one (Zhang et al. 2016, section 3.1). Practice
pairs, vigilance pairs and void pairs never count.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import DataError
from .plan import Study
from .records import Trial
from .statistics import crossed_interval, participant_interval
from .wording import counted

VIGILANCE_RIGHT = 0.75  # a participant must be right on this share of their vigilance pairs: on 3 of 4
LEAST_ANSWERED = 0.5  # ... and must have answered this share of the test: 20 of 40 pairs
LEFT_EARLY, INATTENTIVE, WRONG_TIME = "left early", "vigilance", "wrong time"  # the rules, by name
RANKING_WEIGHT = 2  # judgements at the algorithm's own rate that the ranking adds to each photograph's


@dataclass(frozen=True)
class Range:
    """A 95% interval, 0..1."""

    low: float
    high: float


@dataclass(frozen=True)
class Share:
    """How often the coloured photograph was taken for real. share: 0..1, None without answers; intervals: None where
    there are fewer than two participants (or photographs)."""

    share: float | None
    fooled: int
    trials: int
    participants: int
    photographs: int
    over_both: Range | None  # participants and photographs
    over_participants: Range | None  # the paper's


@dataclass(frozen=True)
class Times:
    """From the pair's hiding to the answer, in ms: the quartiles."""

    trials: int
    first_quartile: float | None
    median: float | None
    third_quartile: float | None


@dataclass(frozen=True)
class Judged:
    """One photograph as one algorithm coloured it."""

    photograph: str
    name: str  # of the original file
    fooled: int
    judgements: int


@dataclass(frozen=True)
class Vigilance:
    """Pairs of a real photograph and random colours, of all participants; those shown for a wrong time are not used."""

    right: int
    answered: int


@dataclass(frozen=True)
class AlgorithmResult:
    """What was found about one algorithm.

    main: the figure to quote, without excluded participants and without flagged pairs; with_flagged: with pairs whose
    time of showing was wrong or unknown; with_everyone: with those and with excluded participants, too. From `joined`
    to `vigilance` all participants are counted; reaction times and photographs are of the answers behind `main`.
    """

    algorithm: str
    note: str
    main: Share
    with_flagged: Share
    with_everyone: Share
    joined: int  # participants who answered or saw anything
    excluded: int  # by one of the three rules:
    left_early: int
    inattentive: int
    wrong_time: int
    answered: int  # pairs of the test, vigilance pairs among them
    flagged: int  # of those, how many were shown for a wrong time
    void: int  # pairs of the test that a reload made void
    vigilance: Vigilance
    right_times: Times
    wrong_times: Times
    photographs: tuple[Judged, ...]  # those that fooled most first


@dataclass(frozen=True)
class Exclusion:
    """A participant who does not count."""

    participant: str
    algorithm: str
    rule: str  # LEFT_EARLY, INATTENTIVE or WRONG_TIME
    found: str


@dataclass(frozen=True)
class Analysis:
    """What a study found."""

    participants: int
    trials: int  # answered pairs of the test, vigilance pairs left out, of everyone
    first_answer: str | None  # UTC, ISO 8601
    last_answer: str | None
    algorithms: tuple[AlgorithmResult, ...]
    exclusions: tuple[Exclusion, ...]


def analyse(study: Study, trials: Sequence[Trial], seed: int = 0) -> Analysis:
    """The figures of a study from all its records; seed: of the bootstrap.

    Raises DataError if there are no records at all, or some are of another study.
    """
    if not trials:
        raise DataError(f"{study.title}: nobody has taken part yet; expected answers: photochrom study serve")
    algorithms, photographs = set(study.algorithms), set(study.photographs)
    for trial in trials:
        if trial.algorithm not in algorithms or trial.photograph not in photographs:
            found = f"participant {trial.participant} judged {trial.photograph} by {trial.algorithm}"
            raise DataError(f"{study.title}: {found}, which is not in this study; expected its own answers")
    trials = sorted(trials, key=lambda each: (each.participant, each.position))  # so that no order changes a digit
    sessions: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        sessions[trial.participant].append(trial)
    exclusions = {each.participant: each for session in sessions.values() if (each := _exclusion(study, session))}
    times = sorted(trial.answered_at for trial in trials if trial.answered_at is not None)
    return Analysis(
        participants=len(sessions),
        trials=sum(_counts(trial) for trial in trials),
        first_answer=times[0] if times else None,
        last_answer=times[-1] if times else None,
        algorithms=tuple(_result(study, name, trials, exclusions, seed) for name in study.algorithms),
        exclusions=tuple(exclusions.values()),
    )


def rules(study: Study) -> list[str]:
    """Who does not count, in words."""
    least = f"fewer than {LEAST_ANSWERED * study.test:g} of the {study.test} pairs of the test answered ({LEFT_EARLY})"
    vigilance = f"fewer than {VIGILANCE_RIGHT:.0%} of the answered vigilance pairs right, flagged ones left out"
    no_time = "every answered vigilance pair flagged, so that nothing tells whether they looked"
    if not study.vigilance:
        return [least]
    return [least, f"{vigilance}, or none answered ({INATTENTIVE})", f"{no_time} ({WRONG_TIME})"]


def _exclusion(study: Study, session: Sequence[Trial]) -> Exclusion | None:
    judged = [trial for trial in session if trial.state == "answered" and trial.kind != "practice"]
    vigilance = [trial for trial in judged if trial.kind == "vigilance"]
    # Whoever could not see a pair for its full time is not blamed for the answer.
    timely = [trial for trial in vigilance if not trial.flagged]
    right = sum(not _is_fooled(trial) for trial in timely)
    who = session[0].participant, session[0].algorithm
    if len(judged) < LEAST_ANSWERED * study.test:
        return Exclusion(*who, LEFT_EARLY, f"answered {len(judged)} of {counted(study.test, 'pair')}")
    if not study.vigilance:
        return None
    if not vigilance:
        return Exclusion(*who, INATTENTIVE, f"answered none of {counted(study.vigilance, 'vigilance pair')}")
    if not timely:
        flagged = sum(trial.flagged for trial in judged)
        found = f"{flagged} of {counted(len(judged), 'pair')} shown for a wrong time"
        return Exclusion(*who, WRONG_TIME, f"{found}, all vigilance pairs ({len(vigilance)}) among them")
    if right < VIGILANCE_RIGHT * len(timely):
        return Exclusion(*who, INATTENTIVE, f"right on {right} of {counted(len(timely), 'vigilance pair')}")
    return None


def _counts(trial: Trial) -> bool:
    return trial.kind == "test" and trial.state == "answered"


def _is_fooled(trial: Trial) -> bool:
    return trial.chosen != trial.real_side


def _result(
    study: Study, algorithm: str, trials: Sequence[Trial], exclusions: Mapping[str, Exclusion], seed: int
) -> AlgorithmResult:
    own = [trial for trial in trials if trial.algorithm == algorithm]
    answered = [trial for trial in own if trial.participant not in exclusions and _counts(trial)]
    main = [trial for trial in answered if not trial.flagged]
    judged = [trial for trial in own if trial.kind != "practice" and trial.state == "answered"]
    vigilance = [trial for trial in judged if trial.kind == "vigilance" and not trial.flagged]
    joined = {trial.participant for trial in own}
    rule = Counter(exclusions[each].rule for each in joined if each in exclusions)
    return AlgorithmResult(
        algorithm=algorithm,
        note=study.notes.get(algorithm, ""),
        main=_share(main, seed),
        with_flagged=_share(answered, seed),
        with_everyone=_share([trial for trial in own if _counts(trial)], seed),
        joined=len(joined),
        excluded=rule.total(),
        left_early=rule[LEFT_EARLY],
        inattentive=rule[INATTENTIVE],
        wrong_time=rule[WRONG_TIME],
        answered=len(judged),
        flagged=sum(trial.flagged for trial in judged),
        void=sum(trial.state == "void" and trial.kind != "practice" for trial in own),
        vigilance=Vigilance(sum(not _is_fooled(trial) for trial in vigilance), len(vigilance)),
        right_times=_times(trial for trial in main if not _is_fooled(trial)),
        wrong_times=_times(trial for trial in main if _is_fooled(trial)),
        photographs=_ranking(study, main),
    )


def _share(trials: Sequence[Trial], seed: int) -> Share:
    fooled = np.array([_is_fooled(trial) for trial in trials], dtype=bool)
    who = np.array([trial.participant for trial in trials])
    what = np.array([trial.photograph for trial in trials])
    over_both = over_participants = None
    if len(trials) > 1:
        over_both = _range(*crossed_interval(fooled, who, what))
        over_participants = _range(*participant_interval(fooled, who, seed))
    return Share(
        share=float(fooled.mean()) if len(trials) else None,
        fooled=int(fooled.sum()),
        trials=len(trials),
        participants=len(set(who.tolist())),
        photographs=len(set(what.tolist())),
        over_both=over_both,
        over_participants=over_participants,
    )


def _range(low: np.ndarray, high: np.ndarray) -> Range | None:
    return None if np.isnan(low) else Range(float(low), float(high))


def _times(trials: Iterable[Trial]) -> Times:
    values = [trial.reaction_ms for trial in trials if trial.reaction_ms is not None]
    if not values:
        return Times(0, None, None, None)
    first, middle, third = np.percentile(values, [25, 50, 75]).tolist()
    return Times(len(values), first, middle, third)


def _ranking(study: Study, trials: Sequence[Trial]) -> tuple[Judged, ...]:
    """Photographs that fooled most first. One answer makes no 100%: a photograph's rate is drawn towards the rate of
    all, the more the fewer judgements it has."""
    judgements = Counter(trial.photograph for trial in trials)
    fooled = Counter(trial.photograph for trial in trials if _is_fooled(trial))
    overall = sum(fooled.values()) / max(1, len(trials))

    def place(photograph: str) -> tuple[float, int, str]:
        number = judgements[photograph]
        return -(fooled[photograph] + RANKING_WEIGHT * overall) / (number + RANKING_WEIGHT), -number, photograph

    ranked = sorted(judgements, key=place)
    return tuple(Judged(each, study.names.get(each, each), fooled[each], judgements[each]) for each in ranked)

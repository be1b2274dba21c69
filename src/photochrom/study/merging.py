"""Merging imported answers into a database: which are new, known or contradictory.

Existing records are never changed. Missing records of known participants are added: a file may have been cut off, or
written while they were still answering.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .records import Trial


@dataclass(frozen=True)
class Known:
    """A participant whom the database has. is_served: their session runs here, so that no pair may come from outside;
    trials: by position."""

    algorithm: str
    is_served: bool
    trials: dict[int, Trial] = field(default_factory=dict)


@dataclass
class Merge:
    """The actions of an import: `new` and `added` are inserted, `finished` replace unanswered records."""

    new: dict[str, list[Trial]] = field(default_factory=dict)  # of participants who are not here yet
    added: list[Trial] = field(default_factory=list)  # of participants who are, at positions that are not
    finished: list[Trial] = field(default_factory=list)  # answered or void by now; here they were only shown
    known: int = 0  # records that are here already
    contradictions: int = 0  # records that say otherwise than those here
    withheld: int = 0  # new ones of participants who are served here, or whose other records contradict


@dataclass(frozen=True)
class Imported:
    """Counts of an import. Existing records were not changed."""

    participants: int  # who were not here before
    trials: int  # records added, of them and of participants who were here
    known: int  # records that were here already
    contradictions: int  # records that say otherwise than those here, at the same participant and position
    withheld: int  # new records of participants who contradict, or whose session runs here


def merge(records: Iterable[Trial], here: Mapping[str, Known]) -> Merge:
    """Sort records, which passed answers_file.check, by what the database has, by participant."""
    sessions: dict[str, list[Trial]] = {}
    for trial in records:
        if trial.state != "pending":
            sessions.setdefault(trial.participant, []).append(trial)
    result = Merge()
    for identifier, session in sessions.items():
        if identifier in here:
            _merge_session(session, here[identifier], result)
        else:
            result.new[identifier] = session
    return result


def _merge_session(session: list[Trial], known: Known, result: Merge) -> None:
    added: list[Trial] = []
    finished: list[Trial] = []
    contradictions = 0
    for trial in session:
        other = known.trials.get(trial.position)
        if trial.algorithm != known.algorithm:
            contradictions += 1
        elif other is None:
            added.append(trial)
        elif trial == other or (trial.state == "shown" and _is_same_pair(trial, other)):
            result.known += 1  # the latter was exported before the answer
        elif other.state == "shown" and _is_same_pair(trial, other):
            finished.append(trial)
        else:
            contradictions += 1
    result.contradictions += contradictions
    if contradictions or known.is_served:
        result.withheld += len(added) + len(finished)
    else:
        result.added += added
        result.finished += finished


def _is_same_pair(one: Trial, other: Trial) -> bool:
    return (one.kind, one.photograph, one.real_side) == (other.kind, other.photograph, other.real_side)

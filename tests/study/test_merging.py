"""Records beside those that are here: added where they are missing, never where they contradict."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from photochrom.study.merging import Known, merge
from photochrom.study.records import Trial

SESSION = [
    Trial("ann", "lite", i, "test", f"p{i:04d}", "left", "answered", "left" if i % 2 else "right", 1000.0)
    for i in range(6)
]


def known(trials: list[Trial], is_served: bool = False) -> dict[str, Known]:
    return {"ann": Known("lite", is_served, {trial.position: trial for trial in trials})}


@given(st.sets(st.integers(0, 5)), st.sets(st.integers(0, 5)))
def test_any_two_parts_of_a_session_make_their_union(here: set[int], there: set[int]) -> None:
    found = merge([SESSION[i] for i in there], known([SESSION[i] for i in here]))
    assert {trial.position for trial in found.added} == there - here
    assert (found.known, found.contradictions, found.withheld) == (len(here & there), 0, 0)
    assert (found.new, found.finished) == ({}, [])


def test_new_participants_come_whole_without_what_nobody_saw() -> None:
    pending = replace(SESSION[5], state="pending", chosen=None)
    assert merge([*SESSION[:5], pending], {}).new == {"ann": SESSION[:5]}


def test_who_contradicts_gets_nothing() -> None:
    for changes in ({"chosen": "right"}, {"photograph": "p0009"}, {"state": "void", "chosen": None}, {"flagged": True}):
        other = replace(SESSION[1], **changes)  # type: ignore[arg-type]
        found = merge([SESSION[0], other, SESSION[2]], known(SESSION[:2]))
        assert (found.added, found.known, found.contradictions, found.withheld) == ([], 1, 1, 1), changes
    stranger = [replace(trial, algorithm="full") for trial in SESSION]
    found = merge(stranger, known(SESSION[:2]))
    assert (found.added, found.contradictions) == ([], 6)


def test_an_unfinished_record_is_finished_but_not_by_another_pair() -> None:
    shown = replace(SESSION[0], state="shown", chosen=None, shown_ms=None)
    assert merge([SESSION[0]], known([shown])).finished == [SESSION[0]]
    assert merge([shown], known([SESSION[0]])).known == 1  # an earlier export
    assert merge([replace(SESSION[0], photograph="p0009")], known([shown])).contradictions == 1
    assert merge([replace(shown, real_side="right")], known([SESSION[0]])).contradictions == 1


def test_nothing_is_added_to_a_session_that_runs_here() -> None:
    found = merge(SESSION, known(SESSION[:2], is_served=True))
    assert (found.added, found.known, found.withheld) == ([], 2, 4)

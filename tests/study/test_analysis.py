"""From answers to figures: what counts, who is left out, and the ends of the scale."""

from __future__ import annotations

import dataclasses
import statistics
from typing import Any

import numpy as np
import pytest

from photochrom.errors import DataError
from photochrom.study.analysis import Exclusion, Judged, analyse, rules
from photochrom.study.plan import Study, session
from photochrom.study.records import Trial
from photochrom.study.simulation import Population, simulated_answers

from .test_plan import a_study

OTHER = {"left": "right", "right": "left"}


def answer(participant: str, position: int, fooled: bool = False, **changes: Any) -> Trial:
    """A right (or wrong) answer about the photograph p000<position>, real on the left."""
    values = {
        "participant": participant, "algorithm": "lite", "position": position, "kind": "test",
        "photograph": f"p{position:04d}", "real_side": "left", "state": "answered",
        "chosen": "right" if fooled else "left", "shown_ms": 1000.0, "reaction_ms": 500.0 + 100 * position,
    } | changes  # fmt: skip
    return Trial(**values)


@pytest.fixture
def small() -> Study:
    """4 pairs to judge, one of them for vigilance."""
    return a_study(
        9,
        practice=1,
        test=4,
        vigilance=1,
        algorithms=("lite", "full"),
        names={"p0001": "cat.jpg"},
        notes={"lite": "v2"},
    )


def vigilant(participant: str, right: bool = True, **changes: Any) -> Trial:
    return answer(participant, changes.pop("position", 8), not right, kind="vigilance", **changes)


def test_by_hand(small: Study) -> None:
    trials = [
        answer("ann", 0, True, kind="practice"),  # practice never counts
        answer("ann", 1, True), answer("ann", 2), answer("ann", 3), vigilant("ann"),
        answer("bob", 1, True), answer("bob", 2, True), answer("bob", 3, True, flagged=True), vigilant("bob"),
        answer("bob", 4, state="void", chosen=None, shown_ms=None, reaction_ms=None),
        answer("cem", 1), answer("cem", 2, True), answer("cem", 3), vigilant("cem", right=False),
        answer("dot", 1, True), answer("dot", 2, state="shown", chosen=None),
    ]  # fmt: skip
    analysis = analyse(small, trials)
    lite, full = analysis.algorithms
    assert (analysis.participants, analysis.trials) == (4, 10)
    assert (lite.main.fooled, lite.main.trials, lite.main.participants, lite.main.photographs) == (3, 5, 2, 3)
    assert lite.main.share == 3 / 5
    assert (lite.with_flagged.fooled, lite.with_flagged.trials) == (4, 6)
    assert (lite.with_everyone.fooled, lite.with_everyone.trials, lite.with_everyone.participants) == (6, 10, 4)
    assert (lite.joined, lite.excluded, lite.answered, lite.flagged, lite.void) == (4, 2, 13, 1, 1)
    assert (lite.left_early, lite.inattentive, lite.wrong_time) == (1, 1, 0)
    assert (lite.vigilance.right, lite.vigilance.answered) == (2, 3)
    assert analysis.exclusions == (
        Exclusion("cem", "lite", "vigilance", "right on 0 of 1 vigilance pair"),
        Exclusion("dot", "lite", "left early", "answered 1 of 4 pairs"),
    )
    first, median, third = statistics.quantiles([600, 600, 700], n=4, method="inclusive")
    assert dataclasses.astuple(lite.wrong_times) == (3, first, median, third)
    assert lite.right_times.trials == 2 and lite.right_times.median == 750
    assert lite.photographs == (
        Judged("p0001", "cat.jpg", 2, 2), Judged("p0002", "p0002", 1, 2), Judged("p0003", "p0003", 0, 1),
    )  # fmt: skip
    assert lite.note == "v2"
    assert (full.main.share, full.main.trials, full.joined, full.photographs) == (None, 0, 0, ())
    assert full.right_times.median is None and full.main.over_both is None


def test_flagged_vigilance_pairs_blame_nobody(small: Study) -> None:
    trials = [answer("ann", 1), answer("ann", 2), answer("ann", 3)]
    assert analyse(small, [*trials, vigilant("ann", right=False)]).exclusions[0].rule == "vigilance"
    seen = vigilant("ann", right=True, position=7)
    assert analyse(small, [*trials, vigilant("ann", right=False, flagged=True), seen]).exclusions == ()


@pytest.mark.parametrize("right", [True, False])
def test_who_was_shown_everything_for_a_wrong_time_is_counted_apart(small: Study, right: bool) -> None:
    trials = [answer("ann", position, flagged=True) for position in (1, 2, 3)]
    analysis = analyse(small, [*trials, vigilant("ann", right=right, flagged=True)])
    found = "4 of 4 pairs shown for a wrong time, all vigilance pairs (1) among them"
    assert analysis.exclusions == (Exclusion("ann", "lite", "wrong time", found),)
    lite = analysis.algorithms[0]
    assert (lite.excluded, lite.wrong_time, lite.inattentive, lite.answered, lite.flagged) == (1, 1, 0, 4, 4)
    none = analyse(small, trials).exclusions  # no vigilance pair at all, flagged or not
    assert (none[0].rule, none[0].found) == ("vigilance", "answered none of 1 vigilance pair")


def test_the_table_of_participants_is_about_everybody(small: Study) -> None:
    """The excluded, too: flagged and void pairs are often why."""
    trials = [
        answer("ann", 1), answer("ann", 2, flagged=True), answer("ann", 3), vigilant("ann"),
        answer("bob", 1, flagged=True), answer("bob", 2, state="void", chosen=None),  # left early
        answer("bob", 0, state="void", chosen=None, kind="practice"),
    ]  # fmt: skip
    lite = analyse(small, trials).algorithms[0]
    assert (lite.joined, lite.excluded, lite.left_early) == (2, 1, 1)
    assert (lite.answered, lite.flagged, lite.void) == (5, 2, 1)


@pytest.mark.parametrize(("right", "excluded"), [(4, False), (3, False), (2, True), (0, True)])
def test_three_of_four_vigilance_pairs(right: int, excluded: bool) -> None:
    study = a_study(algorithms=("lite",))
    trials = simulated_answers(study, Population(0.3, 0.5, 1.0), 1)
    wrong = [t.position for t in trials if t.kind == "vigilance"][right:]
    trials = [dataclasses.replace(t, chosen=OTHER[t.real_side]) if t.position in wrong else t for t in trials]
    found = analyse(study, trials)
    assert [each.rule for each in found.exclusions] == ["vigilance"] * excluded
    assert found.algorithms[0].main.trials == (0 if excluded else 36)


def test_ranking_does_not_believe_one_answer(small: Study) -> None:
    once = [answer("ann", 1, True)]
    often = [answer(f"b{i}", 2, i > 0) for i in range(10)]
    seldom = [answer(f"c{i}", 3, False) for i in range(10)]
    study = dataclasses.replace(small, vigilance=0, test=1)
    ranked = analyse(study, [*once, *often, *seldom]).algorithms[0].photographs
    assert [(each.photograph, each.fooled, each.judgements) for each in ranked] == [
        ("p0002", 9, 10), ("p0001", 1, 1), ("p0003", 0, 10),
    ]  # fmt: skip


def test_ends_of_the_scale() -> None:
    """Who guesses is fooled half the time, who knows never, and the interval holds the truth."""
    study = a_study(120, algorithms=("lite",))
    for chance, expected in ((0.5, 0.5), (0.0, 0.0), (1.0, 1.0)):
        rng = np.random.default_rng(1)
        trials = [
            Trial(str(n), "lite", i, p.kind, p.photograph, p.real_side, "answered",
                  OTHER[p.real_side] if p.kind == "test" and rng.random() < chance else p.real_side)  # type: ignore[arg-type]
            for n in range(40) for i, p in enumerate(session(study, n).pairs)
        ]  # fmt: skip
        share = analyse(study, trials).algorithms[0].main
        assert share.trials == 40 * 36 and share.over_both is not None and share.over_participants is not None
        assert share.share == pytest.approx(expected, abs=0.03)
        assert share.over_both.low <= expected <= share.over_both.high
        assert share.over_both.high - share.over_both.low < 0.1


def test_rate_of_a_simulated_population_is_found() -> None:
    study = a_study(300, algorithms=("lite", "full"))
    trials = simulated_answers(study, Population(0.3, 0.5, 0.8), 120)
    for result in analyse(study, trials).algorithms:
        assert result.main.over_both is not None and result.main.over_participants is not None
        assert result.main.over_both.low < 0.3 < result.main.over_both.high
        assert result.joined == 60 and result.excluded == 0
        assert (result.vigilance.right, result.vigilance.answered) == (240, 240)


def test_order_of_the_records_changes_nothing() -> None:
    study = a_study(70, algorithms=("lite", "full"))
    trials = simulated_answers(study, Population(0.3, 0.5, 0.8), 20)
    shuffled = [trials[i] for i in np.random.default_rng(0).permutation(len(trials))]
    assert analyse(study, shuffled) == analyse(study, trials)


def test_rules_in_words(small: Study) -> None:
    assert rules(a_study())[0] == "fewer than 20 of the 40 pairs of the test answered (left early)"
    assert "75%" in rules(a_study())[1]
    assert rules(a_study())[2].endswith("(wrong time)")
    assert len(rules(dataclasses.replace(small, vigilance=0))) == 1


def test_nobody_and_strangers(small: Study) -> None:
    with pytest.raises(DataError, match=r"t: nobody has taken part yet; expected answers: photochrom study serve"):
        analyse(small, [])
    for changes in ({"algorithm": "other"}, {"photograph": "p0500"}):
        with pytest.raises(DataError, match=r"participant ann judged p0\d00 by \w+, which is not in this study"):
            analyse(small, [answer("ann", 0, **changes) if "photograph" in changes else answer("ann", 100, **changes)])

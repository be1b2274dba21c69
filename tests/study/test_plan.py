"""Who sees what: counts, balance, rotation, replacement; and the file that holds a study."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from photochrom.errors import DataError, SettingError
from photochrom.study.plan import FILE, Study, load_study, session


def a_study(number: int = 60, **changes: Any) -> Study:
    identifiers = tuple(f"p{i:04d}" for i in range(number))
    return Study(**{"title": "t", "seed": 5, "algorithms": ("lite", "full"), "photographs": identifiers, **changes})


@st.composite
def studies(draw: st.DrawFn) -> Study:
    practice, test = draw(st.integers(0, 6)), draw(st.integers(1, 12))
    return a_study(
        practice + test + draw(st.integers(0, 30)),
        seed=draw(st.integers(0, 2**31)),
        practice=practice,
        test=test,
        vigilance=draw(st.integers(0, test - 1)),
        algorithms=tuple("abcd"[: draw(st.integers(1, 4))]),
    )


@settings(deadline=None)
@given(studies(), st.integers(0, 5000))
def test_session_has_what_was_asked_for(study: Study, number: int) -> None:
    planned = session(study, number)
    kinds = [pair.kind for pair in planned.pairs]
    assert kinds[: study.practice] == ["practice"] * study.practice
    assert Counter(kinds[study.practice :]) == Counter(test=study.counted, vigilance=study.vigilance)
    shown = [pair.photograph for pair in planned.pairs]
    assert sorted([*shown, *planned.spares]) == sorted(study.photographs)  # each once
    for kind in set(kinds):
        sides = Counter(pair.real_side for pair in planned.pairs if pair.kind == kind)
        assert abs(sides["left"] - sides["right"]) <= 1
    for pair in planned.pairs:
        assert pair.version == ("random" if pair.kind == "vigilance" else planned.algorithm)
    assert session(study, number) == planned


def test_paper_protocol() -> None:
    sides = Counter((pair.kind, pair.real_side) for pair in session(a_study(), 7).pairs)
    assert sides == {
        ("practice", "left"): 5, ("practice", "right"): 5, ("test", "left"): 18, ("test", "right"): 18,
        ("vigilance", "left"): 2, ("vigilance", "right"): 2,
    }  # fmt: skip


@pytest.mark.parametrize("photographs", [50, 60, 61, 72, 97])
def test_photographs_rotate_evenly(photographs: int) -> None:
    study = a_study(photographs)
    counts = {name: Counter(dict.fromkeys(study.photographs, 0)) for name in study.algorithms}
    for number in range(300):
        planned = session(study, number)
        counts[planned.algorithm].update(pair.photograph for pair in planned.pairs if pair.kind == "test")
        for counted in counts.values():
            assert max(counted.values()) - min(counted.values()) <= 1
    assert counts["lite"] == counts["full"]  # after whole blocks algorithms have shown the same photographs


def test_rotation_is_shuffled_anew() -> None:
    study = a_study(72, algorithms=("lite",))
    together = [frozenset(p.photograph for p in session(study, n).pairs if p.kind == "test") for n in range(8)]
    assert together[0] | together[1] == set(study.photographs)  # two sessions of 36 are a turn of 72
    assert len(set(together)) == 8


def test_algorithms_come_in_blocks() -> None:
    study = a_study(algorithms=("a", "b", "c"))
    blocks = [tuple(session(study, 3 * block + i).algorithm for i in range(3)) for block in range(60)]
    assert all(sorted(block) == ["a", "b", "c"] for block in blocks)
    assert len(set(blocks)) == 6  # every order occurs: a participant's number does not tell the algorithm


def test_place_and_side_tell_nothing() -> None:
    study = a_study(algorithms=("a",))
    places, lefts = np.zeros(study.test), np.zeros(study.practice + study.test)
    sessions = 500
    for number in range(sessions):
        for place, pair in enumerate(session(study, number).pairs):
            lefts[place] += pair.real_side == "left"
            places[place - study.practice] += pair.kind == "vigilance"
    assert stats.chisquare(places).pvalue > 1e-4
    deviations = (lefts - sessions / 2) / np.sqrt(sessions / 4)
    assert np.abs(deviations).max() < 4.5


def test_seeds_differ() -> None:
    one, other = (session(a_study(seed=seed), 0) for seed in (1, 2))
    assert one.pairs != other.pairs


def test_replacement_is_like_what_it_replaces() -> None:
    study = a_study(60, practice=10, test=40)
    planned = session(study, 4)
    used: list[str] = []
    for index in (0, 20, 20, 33, 49, 0, 1, 2, 3, 4):
        pair = planned.replacement(index, used)
        assert pair is not None
        before = planned.pairs[index]
        assert dataclasses.replace(pair, photograph=before.photograph) == before
        assert pair.photograph not in {each.photograph for each in planned.pairs} | set(used)
        used.append(pair.photograph)
    assert planned.replacement(5, used) is None  # all 60 are used
    assert planned.replacement(5, used[1:]) is not None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"algorithms": ("Über",)}, "algorithm is 'Über'; expected a-z"),
        ({"algorithms": ("real",)}, "and not 'real'"),
        ({"algorithms": ("../up",)}, "algorithm is '../up'"),
        ({"algorithms": ()}, "algorithms are none"),
        ({"algorithms": ("a", "a")}, "algorithms are a, a; expected one or more, each once"),
        ({"photographs": ("cat.jpg",)}, "photograph is 'cat.jpg'; expected an identifier"),
        ({"seed": -1}, "seed is -1"),
        ({"shown_ms": 0}, "shown_ms is 0"),
        ({"side": 100}, "side is 100; expected a multiple of 8"),
        ({"vigilance": 40}, "test is 40; expected more than the 40 vigilance pairs"),
        ({"test": 60}, "60 photographs; expected at least 70"),
    ],
)
def test_impossible_studies(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        a_study(**changes)
    with pytest.raises(SettingError, match="number is -1"):
        session(a_study(), -1)


def test_identity_changes_with_what_matters() -> None:
    study = a_study()
    assert dataclasses.replace(study, title="corrected", notes={"lite": "x"}).identity == study.identity
    for changes in ({"seed": 6}, {"algorithms": ("lite",)}, {"shown_ms": 500}, {"names": {"p0000": "cat.jpg"}}):
        assert a_study(**changes).identity != study.identity


def test_loads_what_was_built(built_study: Path) -> None:
    study = load_study(built_study)
    assert (study.title, study.algorithms, study.practice, study.test) == ("Real or coloured?", ("swapped",), 2, 6)
    assert set(study.names) == set(study.photographs)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not readable"),
        ("[]", "format is list"),
        ('{"format": "photochrom-answers-1"}', "format is 'photochrom-answers-1'; expected 'photochrom-study-1'"),
    ],
)
def test_foreign_file(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(DataError, match=message):
        load_study(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colour": 1}, "unknown keys colour; expected title, seed"),
        ({"algorithms": "lite"}, "algorithms is 'lite'; expected a list of texts"),
        ({"practice": True}, "practice is True; expected a whole number"),
        ({"test": 4.5}, "test is 4.5; expected a whole number"),
        ({"names": {"p0000": 1}}, "expected an object of texts"),
        ({"title": None}, "title is None; expected a text"),
        ({"test": 4000}, "expected at least 4002"),
        ({"seed": ...}, "without seed"),
    ],
)
def test_damaged_file(study_folder: Path, changes: dict[str, Any], message: str) -> None:
    values = json.loads((study_folder / FILE).read_text()) | changes
    values = {name: value for name, value in values.items() if value is not ...}
    (study_folder / FILE).write_text(json.dumps(values))
    with pytest.raises(DataError, match=message) as caught:
        load_study(study_folder)
    assert str(study_folder / FILE) in str(caught.value)


def test_no_study_and_missing_picture(study_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no study.json in it; expected the folder of a study"):
        load_study(tmp_path)
    (study_folder / "pictures" / "random" / "p0003.png").unlink()
    with pytest.raises(DataError, match=r"random/p0003.png: missing"):
        load_study(study_folder)

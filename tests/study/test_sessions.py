"""The rules of taking part, on plans without pictures and with a clock that the test turns."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from photochrom.study.plan import Pair, Study, session
from photochrom.study.records import Trial
from photochrom.study.sessions import Refused, Sessions, is_suspect
from photochrom.study.store import Store, open_store

PLAN = Study("t", 5, ("one", "two"), tuple(f"p{i:04d}" for i in range(11)), practice=2, test=6, vigilance=2)


class Clock:
    def __init__(self) -> None:
        self.time = datetime(2026, 5, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def sleep(self, ms: float) -> None:
        self.time += timedelta(milliseconds=ms)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "answers.sqlite", PLAN, create=True)
    yield opened
    opened.close()


@pytest.fixture
def sessions(store: Store, clock: Clock) -> Sessions:
    return Sessions(PLAN, store, now=clock)


def refused(status: int, text: str) -> pytest.RaisesExc[Refused]:
    return pytest.raises(Refused, match=text, check=lambda error: error.status == status)


def shown_and_answered(sessions: Sessions, clock: Clock, token: str, pair: str | None) -> None:
    assert pair is not None
    sessions.shown(token, pair)
    clock.sleep(1800)
    sessions.answer(token, pair, "left", 1000, 700)


def test_a_session_is_the_planned_one(sessions: Sessions, store: Store, clock: Clock) -> None:
    for number in range(3):
        token, progress = sessions.join()
        planned = session(PLAN, number)
        rights = []
        for pair in planned.pairs:
            assert progress.pair is not None
            assert sessions.picture(token, progress.pair) == pair
            assert progress.phase == ("practice" if pair.kind == "practice" else "test")
            sessions.shown(token, progress.pair)
            clock.sleep(1800)
            answered = sessions.answer(token, progress.pair, "left", 1000, 700)
            # Only practice pairs tell; a vigilance pair is as silent as any other.
            rights.append(answered.right)
            assert answered.right == ((pair.real_side == "right") if pair.kind == "practice" else None)
            assert answered.progress.pair == progress.next
            progress = answered.progress
        assert (progress.phase, progress.answered, progress.total, progress.pair) == ("done", 8, 8, None)
        assert rights.count(None) == 6
        of_them = [trial for trial in store.trials() if trial.participant == progress.participant]
        assert [(t.kind, t.photograph, t.real_side) for t in of_them] == [
            (pair.kind, pair.photograph, pair.real_side) for pair in planned.pairs
        ]
        assert {t.algorithm for t in of_them} == {planned.algorithm}
        assert {(t.state, t.chosen, t.shown_ms, t.reaction_ms, t.flagged) for t in of_them} == {
            ("answered", "right", 1000.0, 700.0, False)
        }
        assert [t.position for t in of_them] == list(range(8))


def test_a_shown_pair_is_void_after_a_reload(sessions: Sessions, store: Store, clock: Clock) -> None:
    token, progress = sessions.join()
    shown_and_answered(sessions, clock, token, progress.pair)
    lost = sessions.resume(token).pair
    assert lost is not None
    before = sessions.picture(token, lost)
    sessions.shown(token, lost)
    again = sessions.resume(token)
    assert again.pair not in (None, lost)
    assert (again.answered, again.total) == (1, 8)
    after = sessions.picture(token, str(again.pair))
    assert after.photograph not in {pair.photograph for pair in session(PLAN, 0).pairs}
    assert (after.kind, after.real_side, after.version) == (before.kind, before.real_side, before.version)
    with refused(409, "void"):
        sessions.answer(token, lost, "left", 1000, 1)
    with refused(410, "gone"):
        sessions.picture(token, lost)
    shown_and_answered(sessions, clock, token, again.pair)
    assert [(trial.position, trial.state) for trial in store.trials()] == [
        (0, "answered"),
        (1, "void"),
        (2, "answered"),
    ]


def test_a_reload_before_the_pair_is_shown_loses_nothing(sessions: Sessions, store: Store) -> None:
    token, progress = sessions.join()
    sessions.picture(token, str(progress.pair))
    assert sessions.resume(token) == sessions.resume(token) == progress
    assert store.trials() == []


def test_who_always_reloads_comes_to_an_end(sessions: Sessions, store: Store, clock: Clock) -> None:
    token, progress = sessions.join()
    for _ in range(4):  # 3 photographs are left over by the session's 8
        assert progress.pair is not None
        sessions.shown(token, progress.pair)
        progress = sessions.resume(token)
        assert sessions.peek(token) is not None
    assert (progress.answered, progress.total) == (0, 7)
    while progress.pair is not None:
        shown_and_answered(sessions, clock, token, progress.pair)
        progress = sessions.resume(token)
    assert (progress.phase, progress.answered, progress.total) == ("done", 7, 7)
    photographs = [trial.photograph for trial in store.trials()]
    assert len(photographs) == len(set(photographs)) == 11  # nobody saw a photograph twice
    peeked = sessions.peek(token)
    assert peeked is not None
    assert (peeked.phase, peeked.total) == ("done", 7)


def test_the_same_answer_twice_is_one_record(sessions: Sessions, store: Store, clock: Clock) -> None:
    token, progress = sessions.join()
    pair = str(progress.pair)
    sessions.shown(token, pair)
    clock.sleep(2000)
    first = sessions.answer(token, pair, "left", 1000, 900)
    clock.sleep(50)
    assert sessions.answer(token, pair, "left", 1000, 950) == first
    with refused(409, "answered already, and otherwise"):
        sessions.answer(token, pair, "right", 1000, 900)
    (trial,) = store.trials()
    assert (trial.chosen, trial.reaction_ms) == ("right", 900)


def test_what_is_refused_leaves_no_trace(sessions: Sessions, store: Store) -> None:
    token, progress = sessions.join()
    other, others = sessions.join()
    with refused(409, "not shown yet"):
        sessions.answer(token, str(progress.pair), "left", 1000, 100)
    with refused(409, "not the one to show now"):
        sessions.shown(token, str(progress.next))
    for attempt in (
        lambda: sessions.shown(other, str(progress.pair)),
        lambda: sessions.answer(other, str(progress.pair), "left", 1000, 100),
        lambda: sessions.picture(other, str(progress.pair)),
        lambda: sessions.shown(token, "made-up"),
    ):
        with refused(404, "no such pair in your session"):
            attempt()
    for stranger in (None, "", "made-up", others.participant):
        for attempt in (
            lambda who: sessions.resume(who),
            lambda who: sessions.shown(who, str(progress.pair)),
            lambda who: sessions.answer(who, str(progress.pair), "left", 1000, 100),
            lambda who: sessions.picture(who, str(progress.pair)),
        ):  # type: ignore[assignment]
            with refused(403, "no such participant"):
                attempt(stranger)  # type: ignore[call-arg]
        assert sessions.peek(stranger) is None
    assert store.trials() == []
    sessions.shown(token, str(progress.pair))
    with refused(409, "not the one to show now"):
        sessions.shown(token, str(progress.pair))


def test_pictures_are_prepared_before_they_are_wanted(store: Store, clock: Clock) -> None:
    prepared: dict[str, Pair] = {}
    sessions = Sessions(PLAN, store, prepared.__setitem__, clock)
    token, progress = sessions.join()
    while progress.pair is not None:
        assert {progress.pair, progress.next} - {None} <= set(prepared)
        assert sessions.picture(token, progress.pair) == prepared[progress.pair]
        shown_and_answered(sessions, clock, token, progress.pair)
        progress = sessions.resume(token)


@pytest.mark.parametrize(
    ("shown", "reaction", "passed", "flagged"),
    [
        (1000.0, 500.0, 1600, False),
        (1000 + 33.3, 500.0, 1600, False),
        (1000 - 33.3, 500.0, 1600, False),
        (1000 + 33.4, 500.0, 1600, True),
        (1000 - 33.4, 500.0, 1600, True),
        (None, 500.0, 1600, True),  # not measured
        (1000.0, None, 1600, False),
        (1000.0, None, 900, True),  # longer than the server saw
        (1000.0, 700.0, 1600, True),  # display and reaction together are
        (1000.0, 86_400_000.0, 86_401_000 - 60_000, False),  # a day later: browsers' clocks drift
        (1000.0, -1.0, 1600, True),
        (-1000.0, 10.0, 1600, True),
        (1e300, 10.0, 1600, True),
    ],
)
def test_suspect_times_are_flagged(
    shown: float | None, reaction: float | None, passed: float, flagged: bool, sessions: Sessions, store: Store,
    clock: Clock,
) -> None:  # fmt: skip
    assert is_suspect(shown, reaction, passed, 1000) is flagged
    token, progress = sessions.join()
    sessions.shown(token, str(progress.pair))
    clock.sleep(passed)
    sessions.answer(token, str(progress.pair), "right", shown, reaction)
    (trial,) = store.trials()
    assert trial.flagged is flagged
    assert trial.shown_ms == (None if shown is None or shown < 0 else shown)
    if reaction is not None and reaction < 0:
        assert trial.reaction_ms is None


ACTIONS = st.lists(st.sampled_from(["shown", "left", "right", "resume", "again", "next", "stranger"]), max_size=60)


@given(actions=ACTIONS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_a_browser_does_the_records_are_sound(
    actions: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = open_store(tmp_path_factory.mktemp("fuzz") / "answers.sqlite", PLAN, create=True)
    clock = Clock()
    sessions = Sessions(PLAN, store, now=clock)
    token, progress = sessions.join()
    stranger, _ = sessions.join()
    accepted: list[tuple[str, str]] = []
    last = None
    for action in actions:
        clock.sleep(1100)
        pair = progress.pair or "none"
        try:
            if action == "shown":
                sessions.shown(token, pair)
            elif action == "resume":
                progress = sessions.resume(token)
            elif action == "next":
                sessions.shown(token, progress.next or "none")
            elif action == "stranger":
                sessions.answer(stranger, pair, "left", 1000, 50)
            elif action == "again":
                sessions.answer(token, last or "none", "left", 1000, 50)
            elif action in ("left", "right"):
                progress = sessions.answer(token, pair, action, 1000, 50).progress  # type: ignore[arg-type]
                accepted.append((pair, action))
                last = pair
        except Refused:
            pass
    trials: list[Trial] = store.trials()
    store.close()
    assert sum(trial.state == "answered" for trial in trials) == len(accepted) == len({pair for pair, _ in accepted})
    assert [trial.chosen for trial in trials if trial.chosen] == [
        {"left": "right", "right": "left"}[side] for _, side in accepted
    ]
    assert [trial.position for trial in trials] == list(range(len(trials)))
    assert len({trial.photograph for trial in trials}) == len(trials)
    assert {trial.participant for trial in trials} <= {progress.participant}

"""The rules of taking part: who may see and answer which pair, when (Zhang et al. 2016, section 3.1).

A pair goes from pending to shown to answered. Whoever comes back (`resume`) while a pair is shown loses it: it becomes
void and another photograph takes its place. Nothing here tells right from wrong except the answer to a practice pair.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal

from sqlalchemy import select
from sqlalchemy.engine import Connection, Row

from ..errors import PhotochromError
from .plan import Pair, Session, Study, session
from .records import Side
from .store import Store
from .tables import participants, study_table, trials

FRAME_MS = 1000 / 60
TOLERANCE_MS = 2 * FRAME_MS  # a pair visible for longer or shorter than this off its time is flagged
CLOCK_DRIFT = 1e-3  # how far a browser's clock may run off the server's, as a share of the time passed
AHEAD = 2  # pairs that the page knows of: the one to show, and the one to fetch meanwhile
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # of identifiers: no two that look alike
_OTHER: dict[Side, Side] = {"left": "right", "right": "left"}

Phase = Literal["practice", "test", "done"]


class Refused(PhotochromError):
    """A request against the rules; nothing was stored. status: of HTTP, 403 .. 410."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        super().__init__(text)


@dataclass(frozen=True)
class Progress:
    """Where a participant is. pair, next: tokens of the pair to show now and of the one after it, or None."""

    participant: str
    phase: Phase
    answered: int
    total: int  # pairs of the session; fewer than planned where no photograph was left to replace a void one
    pair: str | None
    next: str | None


@dataclass(frozen=True)
class Answered:
    """What follows an answer. right: whether it was, for practice pairs only."""

    right: bool | None
    progress: Progress


def _now() -> datetime:
    return datetime.now(UTC)


class Sessions:
    """The participants' sessions of one study, in its database. Threads may share it.

    prepare: called with the token and the pair whenever a pair will be wanted soon; now: the clock.
    Every method raises Refused, and SQLAlchemyError if the database fails: then nothing was stored.
    """

    def __init__(
        self,
        study: Study,
        store: Store,
        prepare: Callable[[str, Pair], None] = lambda token, pair: None,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self.study = study
        self._store = store
        self._prepare = prepare
        self._now = now
        self._plan: Callable[[int], Session] = lru_cache(maxsize=512)(lambda number: session(study, number))

    def join(self) -> tuple[str, Progress]:
        """A new participant: their secret token (never stored, only its hash) and their first pair."""
        token = secrets.token_urlsafe(24)
        drawn = "".join(secrets.choice(_ALPHABET) for _ in range(8))
        with self._store.write() as connection:
            connection.execute(select(study_table).with_for_update()).one()  # numbers are given one by one
            taken = set(connection.scalars(select(participants.c.number).where(participants.c.number.is_not(None))))
            number = next(each for each in range(len(taken) + 1) if each not in taken)
            who = connection.execute(
                participants.insert()
                .values(
                    identifier=f"{drawn[:4]}-{drawn[4:]}",
                    token_sha256=_hash(token),
                    number=number,
                    algorithm=self._plan(number).algorithm,
                    joined_at=self._now().isoformat(),
                )
                .returning(*participants.c)
            ).one()
            progress, coming = self._advance(connection, who)
        self._announce(coming)
        return token, progress

    def peek(self, token: str | None) -> Progress | None:
        """Where the participant is, without tokens of pairs; None if there is none of that token. Changes nothing."""
        with self._store.read() as connection:
            who = self._find(connection, token)
            return None if who is None else self._progress(who, self._rows(connection, who), [])

    def resume(self, token: str | None) -> Progress:
        """Go on, after a reload or for the first time: a pair that is being shown becomes void and is replaced."""
        with self._store.write() as connection:
            who = self._participant(connection, token)
            of_them = (trials.c.participant_id == who.id) & (trials.c.state == "shown")
            connection.execute(trials.update().where(of_them).values(state="void"))
            progress, coming = self._advance(connection, who)
        self._announce(coming)
        return progress

    def picture(self, token: str | None, pair: str) -> Pair:
        """The pair, if its picture may be fetched: it is the participant's own and was not shown yet."""
        with self._store.read() as connection:
            row = self._pair(connection, self._participant(connection, token, lock=False), pair)
        if row.state != "pending":
            raise Refused(410, "this pair was shown already and is gone")
        return _pair_of(row)

    def shown(self, token: str | None, pair: str) -> None:
        """The page is about to show the pair: from now on it can be answered once, or becomes void."""
        with self._store.write() as connection:
            who = self._participant(connection, token)
            row = self._pair(connection, who, pair)
            rows = self._rows(connection, who)
            if row.state != "pending" or row.slot != min(each.slot for each in rows if each.state in _OPEN):
                raise Refused(409, f"this pair is not the one to show now (it is {row.state}); go on with /api/session")
            position = sum(each.state != "pending" for each in rows)
            change = {"state": "shown", "position": position, "shown_at": self._now().isoformat()}
            connection.execute(trials.update().where(trials.c.id == row.id).values(change))

    def answer(
        self, token: str | None, pair: str, coloured: Side, shown_ms: float | None, reaction_ms: float | None
    ) -> Answered:
        """Store which side the participant took for the one that a computer coloured; once it returns it is on disk.

        shown_ms: for how long the pair was visible, reaction_ms: from its hiding to the answer, as the page measured
        them; None if it could not. The same answer again changes nothing and gets the same reply.
        """
        real = _OTHER[coloured]
        with self._store.write() as connection:
            who = self._participant(connection, token)
            row = self._pair(connection, who, pair)
            if row.state == "answered" and row.chosen != real:
                raise Refused(409, "this pair was answered already, and otherwise")
            if row.state == "pending":
                raise Refused(409, "this pair was not shown yet")
            if row.state == "void":
                raise Refused(409, "this pair is void: the page was left while it was shown; go on with /api/session")
            if row.state == "shown":
                now = self._now()
                passed = (now - datetime.fromisoformat(row.shown_at)).total_seconds() * 1000
                change = {
                    "state": "answered",
                    "chosen": real,
                    "shown_ms": shown_ms if shown_ms is not None and shown_ms >= 0 else None,
                    "flagged": is_suspect(shown_ms, reaction_ms, passed, self.study.shown_ms),
                    "reaction_ms": reaction_ms if reaction_ms is None or 0 <= reaction_ms <= _most(passed) else None,
                    "answered_at": now.isoformat(),
                }
                connection.execute(trials.update().where(trials.c.id == row.id).values(change))
            progress, coming = self._advance(connection, who)
        self._announce(coming)
        return Answered(real == row.real_side if row.kind == "practice" else None, progress)

    def _find(self, connection: Connection, token: str | None, lock: bool = False) -> Row | None:
        if token is None:
            return None
        wanted = select(participants).where(participants.c.token_sha256 == _hash(token))
        # Two requests of one participant come one after the other. (SQLite's writers do so anyway.)
        return connection.execute(wanted.with_for_update() if lock else wanted).one_or_none()

    def _participant(self, connection: Connection, token: str | None, lock: bool = True) -> Row:
        who = self._find(connection, token, lock)
        if who is None:
            raise Refused(403, "no such participant; begin at the study's first page")
        return who

    def _pair(self, connection: Connection, who: Row, pair: str) -> Row:
        wanted = select(trials).where(trials.c.token == pair, trials.c.participant_id == who.id)
        row = connection.execute(wanted).one_or_none()
        if row is None:
            raise Refused(404, "no such pair in your session")
        return row

    def _rows(self, connection: Connection, who: Row) -> list[Row]:
        wanted = select(trials).where(trials.c.participant_id == who.id).order_by(trials.c.id)
        return list(connection.execute(wanted))

    def _advance(self, connection: Connection, who: Row) -> tuple[Progress, list[tuple[str, Pair]]]:
        """Make the pairs that come next where they are missing; the progress, and those pairs by token."""
        plan = self._plan(who.number)
        rows = self._rows(connection, who)
        alive = {row.slot: row for row in rows if row.state != "void"}
        void = {row.slot for row in rows if row.state == "void"}
        replacing = [row.photograph for row in rows if row.photograph != plan.pairs[row.slot].photograph]
        coming: list[tuple[str, Pair]] = []
        for slot, planned in enumerate(plan.pairs):
            if len(coming) == AHEAD:
                break
            row = alive.get(slot)
            if row is None:
                pair = plan.replacement(slot, replacing) if slot in void else planned
                if pair is None:
                    continue  # no photograph is left: the session is one pair shorter
                if slot in void:
                    replacing.append(pair.photograph)
                row = connection.execute(
                    trials.insert()
                    .values(
                        participant_id=who.id,
                        slot=slot,
                        token=secrets.token_urlsafe(16),
                        kind=pair.kind,
                        photograph=pair.photograph,
                        real_side=pair.real_side,
                        version=pair.version,
                        state="pending",
                    )
                    .returning(*trials.c)
                ).one()
                rows.append(row)
            if row.state in _OPEN:
                coming.append((row.token, _pair_of(row)))
        return self._progress(who, rows, [token for token, _ in coming]), coming

    def _progress(self, who: Row, rows: list[Row], tokens: list[str]) -> Progress:
        plan = self._plan(who.number)
        answered = {row.slot for row in rows if row.state == "answered"}
        # _advance has replaced every void pair for which there was a photograph.
        lost = {row.slot for row in rows if row.state == "void"} - {row.slot for row in rows if row.state != "void"}
        ahead = [slot for slot in range(len(plan.pairs)) if slot not in answered | lost]
        phase: Phase = "done" if not ahead else "practice" if plan.pairs[ahead[0]].kind == "practice" else "test"
        now, later = [*tokens, None, None][:2]
        return Progress(who.identifier, phase, len(answered), len(plan.pairs) - len(lost), now, later)

    def _announce(self, coming: list[tuple[str, Pair]]) -> None:
        for token, pair in coming:
            self._prepare(token, pair)


_OPEN = ("pending", "shown")


def is_suspect(shown_ms: float | None, reaction_ms: float | None, passed_ms: float, wanted_ms: float) -> bool:
    """Whether a display time is to be flagged: not known, over 2 frames from `wanted_ms`, or not possible.

    passed_ms: what the server saw go by between "shown" and the answer; the display and the reaction lie within it.
    """
    if shown_ms is None or abs(shown_ms - wanted_ms) > TOLERANCE_MS:
        return True
    reaction = 0.0 if reaction_ms is None else reaction_ms
    return reaction < 0 or shown_ms + reaction > _most(passed_ms)


def _most(passed_ms: float) -> float:
    """The longest that a browser may have measured while `passed_ms` went by on the server's clock."""
    return passed_ms * (1 + CLOCK_DRIFT) + TOLERANCE_MS


def _pair_of(row: Row) -> Pair:
    return Pair(row.kind, row.photograph, row.real_side, row.version)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

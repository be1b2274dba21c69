"""The tables of a study's answers. Times are UTC, ISO 8601."""

from __future__ import annotations

from typing import get_args

import sqlalchemy as sa
from sqlalchemy import Boolean, CheckConstraint, Column, Float, ForeignKey, Index, Integer, String

from .records import Kind, Side, State

SCHEMA = 1  # of these tables
METADATA = sa.MetaData()


def _one_of(column: str, values: tuple[str, ...]) -> CheckConstraint:
    return CheckConstraint(sa.column(column).in_(values), name=f"{column}_is_known")


study_table = sa.Table(  # one row: whose answers these are. Who joins locks it, so that numbers are given one by one.
    "study",
    METADATA,
    Column("identity", String, primary_key=True),
    Column("schema", Integer, nullable=False),
)

participants = sa.Table(
    "participants",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("identifier", String, nullable=False, unique=True),  # shown to the participant
    Column("token_sha256", String, unique=True),  # of the secret in their browser; none where imported
    Column("number", Integer, unique=True),  # running number: plan.session follows from it; none where imported
    Column("algorithm", String, nullable=False),
    Column("joined_at", String),
)

trials = sa.Table(
    "trials",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("participant_id", ForeignKey(participants.c.id, ondelete="CASCADE"), nullable=False, index=True),
    Column("slot", Integer),  # index into plan.Session.pairs; none where imported
    Column("position", Integer),  # 0.. in the order of showing; none while pending
    Column("token", String, unique=True),  # what the page calls the pair: random, says nothing
    Column("kind", String, nullable=False),
    Column("photograph", String, nullable=False),
    Column("real_side", String, nullable=False),
    Column("version", String, nullable=False),
    Column("state", String, nullable=False),
    Column("chosen", String),  # the side that was taken for real
    Column("shown_ms", Float),
    Column("flagged", Boolean, nullable=False, default=False),
    Column("reaction_ms", Float),
    Column("shown_at", String),
    Column("answered_at", String),
    _one_of("kind", get_args(Kind)),
    _one_of("real_side", get_args(Side)),
    _one_of("state", get_args(State)),
    _one_of("chosen", get_args(Side)),
    CheckConstraint("(state = 'answered') = (chosen IS NOT NULL)", name="answered_means_chosen"),
    sa.UniqueConstraint("participant_id", "position"),
)
_ALIVE = trials.c.state != "void"
# Two pairs for one place of a session can never both count, whatever the server does.
Index("one_pair_a_slot", trials.c.participant_id, trials.c.slot, unique=True,
      sqlite_where=_ALIVE, postgresql_where=_ALIVE)  # fmt: skip

"""The answers of a study in a database: SQLite beside the study by default, PostgreSQL by a URL.

What was committed stays, also after a kill or a power cut: SQLite in WAL mode syncs every commit. Writers take turns.
Neither names, addresses nor browsers are stored; of a participant's secret token only its SHA-256 is.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import event, func, select
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ..errors import DataError, SettingError
from .answers_file import check
from .merging import Imported, Known, merge
from .plan import FILE, RANDOM, Study
from .records import Trial
from .tables import METADATA, SCHEMA, participants, study_table, trials

DATABASE = "answers.sqlite"  # in the study's folder
BUSY_SECONDS = 30  # how long a writer waits for another process


@dataclass(frozen=True)
class Participant:
    """One participant and how far they are. number: their running number here, None where imported."""

    identifier: str
    number: int | None
    algorithm: str
    joined_at: str | None  # UTC, ISO 8601; None where imported
    shown: int
    answered: int
    void: int


class Store:
    """A database of answers. Threads may share it; `close` it at the end. Made by `open_store`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writing = engine.execution_options(photochrom_writes=True)
        # SQLite's own locking is not fair: threads of one process queue here instead.
        self._turn = threading.Lock() if engine.dialect.name == "sqlite" else nullcontext()

    @property
    def name(self) -> str:
        """The database as a person may see it: a path, or a URL without its password."""
        return _name(self._engine.url)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction, committed on leaving: what it wrote is then on the disk. Raises SQLAlchemyError."""
        with self._turn, self._writing.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view that never blocks. Raises SQLAlchemyError."""
        with self._engine.begin() as connection:
            yield connection

    def close(self) -> None:
        self._engine.dispose()

    def trials(self) -> list[Trial]:
        """Every pair that was shown, participants in the order of joining. Pairs that nobody saw yet are left out."""
        with self.read() as connection:
            return _trials(connection)

    def participants(self) -> list[Participant]:
        """Everybody who consented, in the order of joining."""

        def count(*states: str) -> sa.Label[int]:
            return func.count().filter(trials.c.state.in_(states)).label(states[0])

        with self.read() as connection:
            rows = connection.execute(
                select(
                    participants.c.identifier,
                    participants.c.number,
                    participants.c.algorithm,
                    participants.c.joined_at,
                    count("shown", "answered", "void"),
                    count("answered"),
                    count("void"),
                )
                .outerjoin_from(participants, trials)
                .group_by(participants.c.id)
                .order_by(participants.c.id)
            ).mappings()
            return [Participant(**row) for row in rows]

    def import_trials(self, records: Iterable[Trial], study: Study) -> Imported:
        """Add the trials that are not here yet (merging.merge), all in one transaction.

        Raises DataError if a trial is not of this study, or the records contradict each other (answers_file.check):
        then nothing was imported.
        """
        records = list(records)
        check(records, "the answers")
        for trial in records:
            if trial.photograph not in study.photographs or trial.algorithm not in study.algorithms:
                found = f"photograph {trial.photograph} by {trial.algorithm}"
                raise DataError(f"participant {trial.participant}: {found} is not of this study; nothing was imported")
        with _explained(self._engine), self.write() as connection:
            rows = connection.execute(select(participants)).all()
            keys = {row.identifier: row.id for row in rows}
            here = {row.identifier: Known(row.algorithm, is_served=row.number is not None) for row in rows}
            for trial in _trials(connection):
                here[trial.participant].trials[trial.position] = trial
            plan = merge(records, here)
            added = plan.added
            for identifier, session in plan.new.items():
                insert = participants.insert().values(identifier=identifier, algorithm=session[0].algorithm)
                keys[identifier] = connection.execute(insert.returning(participants.c.id)).scalar_one()
                added = added + session
            if added:
                connection.execute(trials.insert(), [_row(trial, keys[trial.participant]) for trial in added])
            for trial in plan.finished:
                place = (trials.c.participant_id == keys[trial.participant]) & (trials.c.position == trial.position)
                connection.execute(trials.update().where(place).values(_row(trial, keys[trial.participant])))
        number = len(added) + len(plan.finished)
        return Imported(len(plan.new), number, plan.known, plan.contradictions, plan.withheld)

    def find_participant(self, text: str) -> str:
        """The identifier as it is stored, of one that a person typed, perhaps in capitals.

        Raises DataError if there is no such participant.
        """
        wanted = text.strip()
        with _explained(self._engine), self.read() as connection:
            found = set(connection.scalars(select(participants.c.identifier)))
        alike = [each for each in found if each.lower() == wanted.lower()]
        if wanted in found:
            return wanted
        if len(alike) == 1:
            return alike[0]
        expected = "expected the identifier that the page showed them, such as k7m2-p9xq"
        raise DataError(f"{self.name}: no participant {text!r}; {expected}")

    def delete_participant(self, identifier: str) -> int:
        """Remove a participant and all their trials for good; returns how many pairs they had been shown.

        SQLite overwrites what it deletes, and its log is emptied too. PostgreSQL is vacuumed; its own backups and
        archived logs are its administrator's. The running number becomes free: the next participant gets it, which
        keeps the study balanced. Raises DataError if there is no such participant.
        """
        identifier = self.find_participant(identifier)
        with _explained(self._engine):
            with self.write() as connection:
                key = connection.scalar(select(participants.c.id).where(participants.c.identifier == identifier))
                of_them = trials.c.participant_id == key
                shown = select(func.count()).select_from(trials).where(of_them, trials.c.state != "pending")
                number = connection.scalar(shown) or 0
                connection.execute(trials.delete().where(of_them))
                connection.execute(participants.delete().where(participants.c.id == key))
            self._purge()
        return number

    def _purge(self) -> None:
        """Leave no deleted row behind in files of the database."""
        with self._turn, self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            if self._engine.dialect.name == "sqlite":
                busy, _, _ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
                if busy:
                    raise DataError(
                        f"{self.name}: deleted, but the database is being read, so that its log "
                        f"({DATABASE}-wal) may still hold the rows; delete anyone again, or restart the server"
                    )
            else:
                connection.exec_driver_sql("VACUUM trials, participants")


def open_store(source: str | Path, study: Study | None = None, *, create: bool = False) -> Store:
    """The database at a URL, in a study's folder (DATABASE), or the SQLite file `source`.

    study: whose answers are expected in it. create: make the tables for `study` where they are missing. Raises
    SettingError for a URL of another kind; DataError if the database is missing, cannot be reached, is no database of
    answers, or holds those of another study.
    """
    engine = _engine(source, create)
    with _explained(engine):
        try:
            _check(engine, study, create)
        except BaseException:
            engine.dispose()
            raise
    return Store(engine)


def read_trials(source: str | Path, study: Study | None = None) -> list[Trial]:
    """Every pair that was shown to anybody: the answers at a database URL, in a study's folder, or in a SQLite file.

    study: whose answers are expected. A study's folder without a database has none yet: []. Raises like open_store.
    """
    if not _is_url(source) and (Path(source) / FILE).is_file() and not (Path(source) / DATABASE).exists():
        return []
    store = open_store(source, study)
    try:
        with _explained(store._engine):
            return store.trials()
    finally:
        store.close()


_TRIAL_COLUMNS = (
    "position", "kind", "photograph", "real_side", "state", "chosen", "shown_ms", "flagged", "reaction_ms",
    "answered_at",
)  # fmt: skip


def _trials(connection: Connection) -> list[Trial]:
    """Every pair that was shown, participants in the order of joining."""
    columns = [trials.c[name] for name in _TRIAL_COLUMNS]
    rows = connection.execute(
        select(participants.c.identifier.label("participant"), participants.c.algorithm, *columns)
        .join_from(trials, participants)
        .where(trials.c.state != "pending")
        .order_by(participants.c.id, trials.c.position)
    ).mappings()
    return [Trial(**row) for row in rows]


def _row(trial: Trial, participant: int) -> dict[str, Any]:
    version = RANDOM if trial.kind == "vigilance" else trial.algorithm
    return {name: getattr(trial, name) for name in _TRIAL_COLUMNS} | {"participant_id": participant, "version": version}


def _is_url(source: str | Path) -> bool:
    return isinstance(source, str) and "://" in source


def _engine(source: str | Path, create: bool) -> Engine:
    if _is_url(source):
        url = _parsed(str(source))
        if url.get_backend_name() == "postgresql":
            try:
                return sa.create_engine(url, pool_pre_ping=True, pool_size=20, max_overflow=20)
            except ModuleNotFoundError as error:
                raise SettingError(f"{error.name} is not installed; run: pip install 'psycopg[binary]'") from error
        source = str(url.database)
    path = Path(source)
    if path.is_dir():
        if not (path / FILE).is_file():
            raise DataError(f"{path}: no {FILE} in it; expected the folder of a study (photochrom study build)")
        path = path / DATABASE
    if not create and not path.is_file():
        raise DataError(f"{path}: no such file; expected a study's answers: has `photochrom study serve` run yet?")
    return _sqlite(path, create)


def _parsed(text: str) -> URL:
    try:
        url = make_url(text)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise SettingError(
            "the database URL cannot be read; expected postgresql://user:password@host/name or sqlite:///file"
        ) from error
    if url.drivername in ("postgres", "postgresql"):  # the first is how some hosts write it
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("postgresql+psycopg", "sqlite"):
        raise SettingError(f"database is {url.drivername!r}; expected postgresql or sqlite")
    if url.drivername == "sqlite" and (not url.database or url.database == ":memory:"):
        raise SettingError(f"database URL is {text!r}; expected one with a file: sqlite:///answers.sqlite")
    return url


def _sqlite(path: Path, create: bool) -> Engine:
    wal = path.with_name(path.name + "-wal")
    # WAL needs a file beside the database, for reading too, unless nothing can change it.
    is_fixed = not create and not os.access(path.parent, os.W_OK) and not wal.exists()
    mode = "mode=ro&immutable=1" if is_fixed else "mode=rwc" if create else "mode=rw"
    address = f"file:{quote(str(path.absolute()))}?{mode}"

    def connect() -> sqlite3.Connection:
        # isolation_level None: SQLAlchemy's begin event below starts transactions, sqlite3 never does by itself.
        return sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)

    engine = sa.create_engine(URL.create("sqlite", database=str(path)), creator=connect)

    @event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, _: object) -> None:
        settings = ["foreign_keys=ON", "synchronous=FULL", "secure_delete=ON"]
        for setting in settings if is_fixed else ["journal_mode=WAL", *settings]:
            connection.execute(f"PRAGMA {setting}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A writer takes its turn at once: one that began as a reader could be refused when it comes to write.
        writes = connection.get_execution_options().get("photochrom_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _check(engine: Engine, study: Study | None, create: bool) -> None:
    name = _name(engine.url)
    with engine.execution_options(photochrom_writes=create).begin() as connection:
        if not sa.inspect(connection).has_table(study_table.name):
            if not create or study is None:
                raise DataError(f"{name}: no answers of a study in it; expected a database of photochrom study serve")
            METADATA.create_all(connection)
            connection.execute(study_table.insert().values(identity=study.identity, schema=SCHEMA))
        row = connection.execute(select(study_table)).one_or_none()
    if row is None or row.schema != SCHEMA:
        found = "no study" if row is None else f"tables of version {row.schema}"
        raise DataError(f"{name}: {found} in it; expected version {SCHEMA}: another version of photochrom made it")
    if study is not None and row.identity != study.identity:
        raise DataError(
            f"{name}: the answers are of another study ({row.identity}); expected those of {study.identity}: "
            "use this study's own database, or an empty one"
        )


@contextmanager
def _explained(engine: Engine) -> Iterator[None]:
    """Turns database exceptions into readable errors."""
    try:
        yield
    except SQLAlchemyError as error:
        reason = str(error.orig if isinstance(error, DBAPIError) and error.orig else error).strip()
        raise DataError(
            f"{_name(engine.url)}: the database cannot be used ({reason}); expected one that can be reached and "
            "written to, with the answers of a study"
        ) from error


def _name(url: URL) -> str:
    return str(url.database) if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=True)

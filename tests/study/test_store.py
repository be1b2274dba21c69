"""The database of answers: what is kept, merged, deleted, refused."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from photochrom.errors import DataError, SettingError
from photochrom.study import answers_file
from photochrom.study.merging import Imported
from photochrom.study.plan import Study
from photochrom.study.records import Trial
from photochrom.study.sessions import Sessions
from photochrom.study.store import DATABASE, Store, open_store, read_trials


@pytest.fixture
def store(study_folder: Path, study: Study) -> Iterator[Store]:
    opened = open_store(study_folder, study, create=True)
    yield opened
    opened.close()


def take_part(sessions: Sessions, pairs: int) -> str:
    """A participant who answers so many pairs; their identifier."""
    token, progress = sessions.join()
    for _ in range(pairs):
        assert progress.pair is not None
        sessions.shown(token, progress.pair)
        progress = sessions.answer(token, progress.pair, "left", 1000.0, 500.0).progress
    return progress.participant


def test_what_was_answered_is_read_from_folder_file_and_url(study_folder: Path, study: Study, store: Store) -> None:
    identifier = take_part(Sessions(study, store), 8)
    found = read_trials(study_folder)
    assert [trial.position for trial in found] == list(range(8))
    assert [trial.kind for trial in found[:2]] == ["practice"] * 2
    assert {trial.participant for trial in found} == {identifier}
    assert all(trial.chosen == "right" and trial.answered_at for trial in found)  # left was taken for the coloured one
    file = study_folder / DATABASE
    assert read_trials(file) == read_trials(str(file)) == read_trials(f"sqlite:///{file}") == found


def test_pairs_that_nobody_saw_are_no_records(study_folder: Path, study: Study, store: Store) -> None:
    take_part(Sessions(study, store), 0)
    assert read_trials(study_folder) == []
    (participant,) = store.participants()
    assert (participant.number, participant.shown, participant.answered, participant.void) == (0, 0, 0, 0)


def test_a_study_that_was_never_served_has_no_answers(study_folder: Path) -> None:
    assert read_trials(study_folder) == []
    assert not (study_folder / DATABASE).exists()


def test_the_database_survives_power_cuts(store: Store) -> None:
    with store.read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL: every commit is synced


@pytest.mark.parametrize("suffix", [".json", ".csv"])
def test_export_and_import(suffix: str, study_folder: Path, study: Study, store: Store, tmp_path: Path) -> None:
    sessions = Sessions(study, store)
    take_part(sessions, 8)
    take_part(sessions, 3)
    records = read_trials(study_folder)
    file = tmp_path / f"answers{suffix}"
    answers_file.write(file, records, study.identity)
    elsewhere = open_store(tmp_path / "other.sqlite", study, create=True)
    third = take_part(Sessions(study, elsewhere), 1)
    done = elsewhere.import_trials(answers_file.read(file, study.identity), study)
    assert done == Imported(participants=2, trials=11, known=0, contradictions=0, withheld=0)
    again = elsewhere.import_trials(records, study)
    assert again == Imported(participants=0, trials=0, known=11, contradictions=0, withheld=0)
    assert [trial for trial in elsewhere.trials() if trial.participant != third] == records
    assert [each.number for each in elsewhere.participants()] == [0, None, None]
    assert take_part(Sessions(study, elsewhere), 8) not in {trial.participant for trial in records}
    elsewhere.close()


def test_the_whole_file_after_half_of_it(study_folder: Path, study: Study, store: Store, tmp_path: Path) -> None:
    """A CSV that was cut off at the end of a line looks whole."""
    sessions = Sessions(study, store)
    take_part(sessions, 8)
    take_part(sessions, 8)
    records = read_trials(study_folder)
    file = tmp_path / "answers.csv"
    answers_file.write(file, records, study.identity)
    half = tmp_path / "half.csv"
    half.write_text("".join(file.read_text().splitlines(keepends=True)[:6]))
    elsewhere = open_store(tmp_path / "other.sqlite", study, create=True)
    assert elsewhere.import_trials(answers_file.read(half, study.identity), study) == Imported(1, 5, 0, 0, 0)
    assert elsewhere.import_trials(answers_file.read(file, study.identity), study) == Imported(1, 11, 5, 0, 0)
    assert elsewhere.trials() == records
    elsewhere.close()


def test_an_unfinished_record_is_finished_by_a_later_file(study: Study, store: Store) -> None:
    shown = Trial("aaaa-1111", "swapped", 0, "test", "p0000", "left", "shown")
    done = replace(shown, state="answered", chosen="left", shown_ms=1000.0, reaction_ms=300.5)
    store.import_trials([shown], study)
    assert store.import_trials([done], study) == Imported(0, 1, 0, 0, 0)
    assert store.import_trials([shown], study) == Imported(0, 0, 1, 0, 0)  # the earlier file again
    assert store.trials() == [done]


def test_a_session_that_runs_here_is_not_touched(study: Study, store: Store) -> None:
    sessions = Sessions(study, store)
    token, progress = sessions.join()
    sessions.shown(token, str(progress.pair))
    (shown,) = store.trials()
    theirs = replace(shown, state="answered", chosen="left")
    more = replace(theirs, position=1, photograph=study.photographs[-1])
    assert store.import_trials([theirs, more], study) == Imported(0, 0, 0, 0, 2)
    assert sessions.answer(token, str(progress.pair), "left", 1000, 300).progress.answered == 1
    assert [trial.chosen for trial in store.trials()] == ["right"]
    assert store.import_trials([shown], study) == Imported(0, 0, 1, 0, 0)


def test_a_participant_is_found_in_capitals(store: Store, study: Study) -> None:
    identifier = take_part(Sessions(study, store), 1)
    assert store.find_participant(f" {identifier.upper()} ") == identifier
    alike = [Trial(name, "swapped", 0, "test", "p0000", "left", "void") for name in ("Ab", "aB")]
    store.import_trials(alike, study)
    assert store.find_participant("aB") == "aB"
    with pytest.raises(DataError, match="no participant 'AB'"):  # which of the two?
        store.find_participant("AB")
    assert store.delete_participant(identifier.upper()) == 1


def test_an_import_is_all_or_nothing(study: Study, store: Store) -> None:
    good = Trial("aaaa-1111", "swapped", 0, "test", "p0000", "left", "answered", "left", 1000.0)
    for bad, found in [
        (replace(good, participant="bbbb", photograph="p9999"), "photograph p9999 by swapped is not of this study"),
        (replace(good, participant="bbbb", algorithm="lite"), "photograph p0000 by lite is not of this study"),
        (good, "two records at position 0"),
        (replace(good, position=1, algorithm="lite"), "has the algorithms swapped and lite"),
    ]:
        with pytest.raises(DataError, match=found):
            store.import_trials([good, bad], study)
        assert store.participants() == []


def test_deleted_is_gone_from_the_files(study_folder: Path, study: Study, store: Store) -> None:
    sessions = Sessions(study, store)
    kept, gone = take_part(sessions, 3), take_part(sessions, 5)
    assert any(gone.encode() in file.read_bytes() for file in study_folder.glob(f"{DATABASE}*"))
    assert store.delete_participant(gone) == 5
    files = list(study_folder.glob(f"{DATABASE}*"))
    assert files
    assert not any(gone.encode() in file.read_bytes() for file in files)
    assert {trial.participant for trial in read_trials(study_folder)} == {kept}
    with pytest.raises(DataError, match=rf"no participant '{gone}'"):
        store.delete_participant(gone)
    take_part(sessions, 1)  # takes the running number that became free
    assert [each.number for each in store.participants()] == [0, 1]


def test_a_participant_can_be_deleted_while_someone_reads(
    study_folder: Path, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("photochrom.study.store.BUSY_SECONDS", 0.2)
    store = open_store(study_folder, study, create=True)
    gone = take_part(Sessions(study, store), 1)
    with store.read() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM trials").scalar()  # a view of before
        with pytest.raises(DataError, match="deleted, but the database is being read"):
            store.delete_participant(gone)
    assert store.participants() == []
    store.close()


def test_running_numbers_are_given_once(study: Study, store: Store) -> None:
    sessions = Sessions(study, store)
    tokens: list[str] = []
    threads = [threading.Thread(target=lambda: tokens.append(sessions.join()[0])) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(tokens)) == 20
    assert sorted(each.number or 0 for each in store.participants()) == list(range(20))


def test_no_secret_is_stored(study_folder: Path, study: Study, store: Store) -> None:
    token, _ = Sessions(study, store).join()
    store.close()
    assert not any(token.encode() in file.read_bytes() for file in study_folder.glob(f"{DATABASE}*"))


def test_what_cannot_be_opened(study_folder: Path, study: Study, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no study\.json in it; expected the folder of a study"):
        read_trials(tmp_path)
    with pytest.raises(DataError, match=r"nothing\.sqlite: no such file"):
        read_trials(tmp_path / "nothing.sqlite")
    with pytest.raises(DataError, match="no such file"):
        open_store(study_folder, study)
    text = tmp_path / "notes.sqlite"
    text.write_text("bought in May, and much more besides")
    with pytest.raises(DataError, match=r"notes\.sqlite: the database cannot be used \(file is not a database\)"):
        open_store(text, study, create=True)
    assert text.read_text().startswith("bought")
    sqlite3.connect(tmp_path / "foreign.sqlite").execute("CREATE TABLE birds (name)").connection.close()
    with pytest.raises(DataError, match=r"foreign\.sqlite: no answers of a study in it"):
        read_trials(tmp_path / "foreign.sqlite")
    with pytest.raises(DataError, match="the database cannot be used"):
        open_store("postgresql://someone:secret@127.0.0.1:1/answers", study, create=True)
    with pytest.raises(SettingError, match="database is 'mysql'; expected postgresql or sqlite"):
        open_store("mysql://127.0.0.1/answers", study)
    with pytest.raises(SettingError, match="the database URL cannot be read"):
        open_store("postgresql://127.0.0.1:port/answers", study)
    with pytest.raises(SettingError, match="expected one with a file"):
        open_store("sqlite://", study)


def test_no_password_in_messages(study: Study) -> None:
    with pytest.raises(DataError) as error:
        open_store("postgresql://someone:secret@127.0.0.1:1/answers", study, create=True)
    assert "secret" not in str(error.value)


def test_the_answers_of_another_study_are_refused(study_folder: Path, study: Study, store: Store) -> None:
    another = replace(study, seed=study.seed + 1)
    with pytest.raises(DataError, match="the answers are of another study"):
        open_store(study_folder, another, create=True)
    with pytest.raises(DataError, match="the answers are of another study"):
        read_trials(study_folder, another)
    renamed = open_store(study_folder, replace(study, title="A better title"), create=True)
    renamed.close()


def test_tables_of_another_version_are_refused(study_folder: Path, study: Study, store: Store) -> None:
    with store.write() as connection:
        connection.exec_driver_sql("UPDATE study SET schema = 99")
    with pytest.raises(DataError, match="tables of version 99 in it; expected version 1"):
        open_store(study_folder, study)


def test_postgresql(postgresql: str, study: Study) -> None:
    store = open_store(postgresql, study, create=True)
    sessions = Sessions(study, store)
    identifiers: list[str] = []
    threads = [threading.Thread(target=lambda: identifiers.append(take_part(sessions, 8))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = read_trials(postgresql)
    assert len(set(identifiers)) == 8
    assert len(found) == 64
    assert sorted(each.number or 0 for each in store.participants()) == list(range(8))
    assert store.delete_participant(identifiers[0]) == 8
    done = store.import_trials(found, study)
    assert done == Imported(participants=1, trials=8, known=56, contradictions=0, withheld=0)
    with pytest.raises(DataError, match="of another study"):
        open_store(postgresql, replace(study, seed=99), create=True)
    store.close()

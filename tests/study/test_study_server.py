"""The commands serve, export, import and delete: what they say and what they refuse."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import typer

from photochrom.cli.study_server import delete_participant, export_answers, import_answers, serve
from photochrom.errors import DataError, OutputError, SettingError
from photochrom.study import answers_file
from photochrom.study.plan import Study
from photochrom.study.sessions import Sessions
from photochrom.study.store import DATABASE, open_store, read_trials

from .conftest import Server


@pytest.fixture
def identifier(study_folder: Path, study: Study) -> str:
    """Of a participant who has answered one pair."""
    store = open_store(study_folder, study, create=True)
    sessions = Sessions(study, store)
    token, progress = sessions.join()
    sessions.shown(token, str(progress.pair))
    sessions.answer(token, str(progress.pair), "left", 1000, 300)
    store.close()
    return progress.participant


def test_it_says_where_it_is(study_folder: Path, identifier: str, serve: Callable[..., Server]) -> None:
    server = serve(study_folder)
    assert server.address.startswith("http://127.0.0.1:")
    assert server.process.stderr is not None
    assert "1 participant so far, 1 with answers" in server.process.stderr.readline()


def test_a_port_in_use(study_folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            SettingError, match=f"--port {port}: Address already in use; expected a free port, for .*--port 0"
        ):
            serve(study_folder, "127.0.0.1", port, None)
    assert not (study_folder / DATABASE).exists()


def test_an_address_that_is_not_ours(study_folder: Path) -> None:
    for host in ("192.0.2.1", "nobody.invalid"):
        with pytest.raises(SettingError, match=rf"--host {host} --port 0: .*; expected an address of this machine"):
            serve(study_folder, host, 0, None)


def test_a_folder_that_is_no_study(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no study\.json in it"):
        serve(tmp_path, "127.0.0.1", 0, None)
    assert not list(tmp_path.iterdir())


def test_a_database_that_cannot_be_reached(study_folder: Path) -> None:
    with pytest.raises(DataError, match=r"someone:\*\*\*@127.0.0.1:1/answers: the database cannot be used"):
        serve(study_folder, "127.0.0.1", 0, "postgresql://someone:secret@127.0.0.1:1/answers")


@pytest.mark.parametrize("suffix", [".json", ".csv"])
def test_export_import_delete(
    suffix: str, study_folder: Path, study: Study, identifier: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / f"answers{suffix}"
    before = read_trials(study_folder)
    export_answers(study_folder, file)
    assert f"{file}: 1 record of 1 participant" in capsys.readouterr().err
    assert answers_file.read(file, study.identity) == before
    with pytest.raises(OutputError, match="exists already; use --overwrite, or another name"):
        export_answers(study_folder, file)
    export_answers(study_folder, file, overwrite=True)
    capsys.readouterr()
    import_answers(study_folder, file)
    assert f"{file}: 1 record: 0 added, with 0 new participants, 1 here already (" in capsys.readouterr().err
    delete_participant(study_folder, identifier, yes=True)
    assert f"deleted: participant {identifier}, with 1 record\n" in capsys.readouterr().err
    assert read_trials(study_folder) == []
    with pytest.raises(DataError, match="no participant"):
        delete_participant(study_folder, identifier, yes=True)
    elsewhere = f"sqlite:///{tmp_path / 'elsewhere.sqlite'}"
    import_answers(study_folder, file, elsewhere)
    assert read_trials(elsewhere) == before


def test_contradictions_are_said(
    study_folder: Path, study: Study, identifier: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (before,) = read_trials(study_folder)
    other = replace(before, flagged=not before.flagged)
    more = replace(before, position=1, photograph=study.photographs[-1])
    answers_file.write(tmp_path / "answers.csv", [other, more], study.identity)
    with pytest.raises(typer.Exit) as end:
        import_answers(study_folder, tmp_path / "answers.csv")
    assert end.value.exit_code == 1
    said = capsys.readouterr().err
    assert "2 records: 0 added, with 0 new participants, 1 at odds with those here, which stay, 1 not taken" in said
    assert read_trials(study_folder) == [before]


def test_the_answers_of_another_study_are_not_imported(study_folder: Path, study: Study, tmp_path: Path) -> None:
    answers_file.write(tmp_path / "answers.json", [], "fedcba9876543210")
    with pytest.raises(DataError, match=rf"of another study \(fedcba9876543210\); expected those of {study.identity}"):
        import_answers(study_folder, tmp_path / "answers.json")
    assert not (study_folder / DATABASE).exists()


def test_delete_looks_before_it_asks(study_folder: Path, identifier: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typer, "confirm", lambda *arguments, **options: pytest.fail("asked about nobody"))
    with pytest.raises(DataError, match="no participant 'nobody'"):
        delete_participant(study_folder, "nobody")


def test_delete_asks_first(study_folder: Path, identifier: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(question: str, abort: bool) -> None:
        asked.append(question)
        raise typer.Abort

    monkeypatch.setattr(typer, "confirm", refuse)
    with pytest.raises(typer.Abort):
        delete_participant(study_folder, identifier.upper())  # found in capitals, too
    assert identifier in asked[0]
    assert len(read_trials(study_folder)) == 1


def test_an_export_of_an_unknown_ending(study_folder: Path, identifier: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"expected \.json or \.csv"):
        export_answers(study_folder, tmp_path / "answers.xlsx")


def test_the_module_is_light() -> None:
    script = "import sys, photochrom.cli.study_server; print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    assert not {"fastapi", "uvicorn", "sqlalchemy", "numpy", "torch", "onnxruntime"} & set(done.stdout.split())

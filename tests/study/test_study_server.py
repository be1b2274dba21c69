"""The commands serve, export, import and delete: what they say and what they refuse."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
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
    assert "1 participants so far, 1 with answers" in server.process.stderr.readline()


def test_a_port_in_use(study_folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SettingError, match=f"--host 127.0.0.1 --port {port}: Address already in use"):
            serve(study_folder, "127.0.0.1", port, None)
    assert not (study_folder / DATABASE).exists()


def test_an_address_that_is_not_ours(study_folder: Path) -> None:
    with pytest.raises(SettingError, match=r"--host 192\.0\.2\.1 --port 0: "):
        serve(study_folder, "192.0.2.1", 0, None)


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
    assert f"{file}: 1 records of 1 participants" in capsys.readouterr().err
    assert answers_file.read(file) == before
    with pytest.raises(OutputError, match="exists already"):
        export_answers(study_folder, file)
    import_answers(study_folder, file)
    assert "0 participants added, 0 records; 1 were here already" in capsys.readouterr().err
    delete_participant(study_folder, identifier, yes=True)
    assert f"participant {identifier} and 1 records are deleted" in capsys.readouterr().err
    assert read_trials(study_folder) == []
    with pytest.raises(DataError, match="no participant"):
        delete_participant(study_folder, identifier, yes=True)
    elsewhere = f"sqlite:///{tmp_path / 'elsewhere.sqlite'}"
    import_answers(study_folder, file, elsewhere)
    assert read_trials(elsewhere) == before


def test_delete_asks_first(study_folder: Path, identifier: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(question: str, abort: bool) -> None:
        asked.append(question)
        raise typer.Abort

    monkeypatch.setattr(typer, "confirm", refuse)
    with pytest.raises(typer.Abort):
        delete_participant(study_folder, identifier)
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

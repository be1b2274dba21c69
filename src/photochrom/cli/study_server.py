"""photochrom study serve, export, import, delete: the page, and what was answered on it."""

from __future__ import annotations

import contextlib
import logging
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

StudyFolder = Annotated[Path, typer.Argument(metavar="STUDY", help="Folder that `photochrom study build` made.")]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        envvar="PHOTOCHROM_DATABASE_URL",
        help="postgresql://user:password@host/name, or sqlite:///file. [default: answers.sqlite in STUDY]",
        show_default=False,
        show_envvar=True,
    ),
]


def serve(
    study: StudyFolder,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for every network.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any free one.")] = 8000,
    database_url: DatabaseUrl = None,
) -> None:
    """Serve a study as a web page, until Ctrl-C. Every answer is on the disk before the page hears of it.

    On the open internet put a web server with HTTPS in front of it. It records no address and no browser.
    """
    from ..study.plan import load_study
    from ..study.store import open_store

    plan = load_study(study)
    with contextlib.closing(_listen(host, port)) as listening:
        store = open_store(database_url or study, plan, create=True)
        import uvicorn

        from ..study.server import create_app

        logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
        taken = store.participants()
        done = sum(each.answered > 0 for each in taken)
        address = _address(host, listening.getsockname()[1])
        print(f"{plan.title} is at {address} (Ctrl-C ends it)", file=sys.stderr)
        print(f"{store.name}: {len(taken)} participants so far, {done} with answers", file=sys.stderr, flush=True)
        config = uvicorn.Config(
            create_app(study, store),
            log_level="warning",
            access_log=False,  # it would record addresses
            server_header=False,
            timeout_graceful_shutdown=5,
        )
        try:
            uvicorn.Server(config).run(sockets=[listening])
        except KeyboardInterrupt:  # uvicorn ends in good order, then raises the signal again
            print("ended; the study can be served again at any time", file=sys.stderr)
            raise typer.Exit(130) from None
        finally:
            store.close()


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens, or an error that says why not; uvicorn would only log it."""
    from ..errors import SettingError

    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(128)
        except OSError:
            listening.close()
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise SettingError(
            f"--host {host} --port {port}: {reason}; expected a free one, for example --port 0"
        ) from error
    return listening


def _address(host: str, port: int) -> str:
    shown = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)
    return f"http://[{shown}]:{port}/" if ":" in shown else f"http://{shown}:{port}/"


def export_answers(
    study: StudyFolder,
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write: .json or .csv.")],
    database_url: DatabaseUrl = None,
) -> None:
    """Write the raw answers to a file: one record a pair that was shown. It may be done while the study is served."""
    from ..study.answers_file import write
    from ..study.plan import load_study
    from ..study.store import read_trials

    load_study(study)
    trials = read_trials(database_url or study)
    write(output, trials)
    people = len({trial.participant for trial in trials})
    print(f"{output}: {len(trials)} records of {people} participants", file=sys.stderr)


def import_answers(
    study: StudyFolder,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Answers that `photochrom study export` wrote.")],
    database_url: DatabaseUrl = None,
) -> None:
    """Add exported answers, for example of the same study served elsewhere. Participants who are here already stay."""
    from ..study.answers_file import read
    from ..study.plan import load_study
    from ..study.store import open_store

    plan = load_study(study)
    trials = read(file)
    with contextlib.closing(open_store(database_url or study, plan, create=True)) as store:
        done = store.import_trials(trials, plan)
    left = f"; {done.left_alone} were here already and are left alone" if done.left_alone else ""
    print(f"{store.name}: {done.participants} participants added, {done.trials} records{left}", file=sys.stderr)


def delete_participant(
    study: StudyFolder,
    participant: Annotated[str, typer.Argument(help="The identifier that the page showed, such as k7m2-p9xq.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Delete a participant's data for good. Files that were exported before keep theirs: export them again."""
    from ..study.plan import load_study
    from ..study.store import open_store

    plan = load_study(study)
    with contextlib.closing(open_store(database_url or study, plan)) as store:
        if not yes:
            typer.confirm(f"Delete everything of participant {participant}? It cannot be brought back", abort=True)
        shown = store.delete_participant(participant)
    print(f"participant {participant} and {shown} records are deleted", file=sys.stderr)

"""photochrom study serve, export, import, delete: the page, and what was answered on it."""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..study.merging import Imported

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
    """Serve a study as a web page, until Ctrl-C. Every answer is on disk before the page gets a reply.

    On the open internet put a web server with HTTPS in front of it. Neither addresses nor browsers are recorded.
    """
    from ..study.plan import load_study
    from ..study.store import open_store
    from ..study.wording import counted

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
        people = counted(len(taken), "participant")
        print(f"{store.name}: {people} so far, {done} with answers", file=sys.stderr, flush=True)
        config = uvicorn.Config(
            create_app(study, store),
            log_level="warning",
            access_log=False,  # it would record addresses
            server_header=False,
            timeout_graceful_shutdown=5,
        )
        try:
            uvicorn.Server(config).run(sockets=[listening])
        except KeyboardInterrupt:  # uvicorn shuts down cleanly, then raises the signal again
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
        raise SettingError(f"--host {host} --port {port}: {reason}; {_advice(error)}") from error
    return listening


def _advice(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "expected a free port, for example --port 0"
    if error.errno == errno.EACCES:
        return "expected a port from 1024 on, which needs no rights, for example --port 8000"
    return "expected an address of this machine: --host 127.0.0.1 for itself only, 0.0.0.0 for every network"


def _address(host: str, port: int) -> str:
    shown = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)
    return f"http://[{shown}]:{port}/" if ":" in shown else f"http://{shown}:{port}/"


def export_answers(
    study: StudyFolder,
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write: .json or .csv.")],
    database_url: DatabaseUrl = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Write the raw answers to a file: one record a pair that was shown. It may be done while the study is served."""
    from ..study.answers_file import write
    from ..study.plan import load_study
    from ..study.store import read_trials
    from ..study.wording import counted

    plan = load_study(study)
    trials = read_trials(database_url or study, plan)
    write(output, trials, plan.identity, overwrite=overwrite)
    people = len({trial.participant for trial in trials})
    print(f"{output}: {counted(len(trials), 'record')} of {counted(people, 'participant')}", file=sys.stderr)


def import_answers(
    study: StudyFolder,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Answers that `photochrom study export` wrote.")],
    database_url: DatabaseUrl = None,
) -> None:
    """Add exported answers, for example of the same study served elsewhere.

    Records that are here already stay; of participants who are here, those that are missing are added. Where the file
    contradicts what is here, nothing of that participant is taken, and the exit code is 1.
    """
    from ..study.answers_file import read
    from ..study.plan import load_study
    from ..study.store import open_store

    plan = load_study(study)
    trials = read(file, plan.identity)
    with contextlib.closing(open_store(database_url or study, plan, create=True)) as store:
        done = store.import_trials(trials, plan)
    print(f"{file}: {_in_words(len(trials), done)} ({store.name})", file=sys.stderr)
    if done.contradictions or done.withheld:
        raise typer.Exit(1)


def _in_words(number: int, done: Imported) -> str:
    from ..study.wording import counted

    parts = [f"{counted(number, 'record')}: {done.trials} added, with {counted(done.participants, 'new participant')}"]
    if done.known:
        parts.append(f"{done.known} here already")
    if done.contradictions:
        parts.append(f"{done.contradictions} at odds with those here, which stay")
    if done.withheld:
        parts.append(f"{done.withheld} not taken, of participants whose records are at odds or whose session runs here")
    return ", ".join(parts)


def delete_participant(
    study: StudyFolder,
    participant: Annotated[str, typer.Argument(help="The identifier that the page showed, such as k7m2-p9xq.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Delete a participant's data for good. Files that were exported before keep theirs: export them again."""
    from ..study.plan import load_study
    from ..study.store import open_store
    from ..study.wording import counted

    plan = load_study(study)
    with contextlib.closing(open_store(database_url or study, plan)) as store:
        identifier = store.find_participant(participant)
        if not yes:
            typer.confirm(f"Delete everything of participant {identifier}? This cannot be undone", abort=True)
        shown = store.delete_participant(identifier)
    print(f"deleted: participant {identifier}, with {counted(shown, 'record')}", file=sys.stderr)

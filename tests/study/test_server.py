"""The study over HTTP: what it gives away (nothing), what it refuses, what survives 30 people and kill -9."""

from __future__ import annotations

import io
import re
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from photochrom.study.plan import Study, session
from photochrom.study.server import PAGE, create_app
from photochrom.study.store import DATABASE, Store, open_store, read_trials

from .conftest import Server

Serve = Callable[..., Server]
Client = TestClient | httpx.Client
JPEG_START = b"\xff\xd8"


@pytest.fixture
def store(study_folder: Path, study: Study) -> Iterator[Store]:
    opened = open_store(study_folder, study, create=True)
    yield opened
    opened.close()


@pytest.fixture
def connect(study_folder: Path, store: Store) -> Iterator[Callable[[], TestClient]]:
    """A new browser without cookies, each time."""
    app = create_app(study_folder, store)
    with TestClient(app):  # starts and ends the application once
        yield lambda: TestClient(app)


@pytest.fixture
def client(connect: Callable[[], TestClient]) -> TestClient:
    return connect()


def join(client: Client) -> dict[str, Any]:
    reply = client.post("api/participants", json={"consent": True})
    assert reply.status_code == 201
    progress: dict[str, Any] = reply.json()
    return progress


def answer(client: Client, pair: str, side: str = "left", **more: Any) -> Any:
    return client.post(f"api/pairs/{pair}/answer", json={"coloured": side, "shown_ms": 1000, "reaction_ms": 5, **more})


def take_part(client: Client, side: Callable[[str], str] = lambda pair: "left") -> list[Any]:
    """A whole session; every reply of it."""
    replies: list[Any] = []
    progress = join(client)
    while progress["pair"]:
        pair = progress["pair"]
        replies.append(client.get(f"api/pairs/{pair}/picture"))
        replies.append(client.post(f"api/pairs/{pair}/shown"))
        replies.append(answer(client, pair, side(pair)))
        assert [reply.status_code for reply in replies[-3:]] == [200, 200, 200]
        progress = replies[-1].json()
    return replies


def test_a_session_over_http(client: TestClient, study: Study, study_folder: Path) -> None:
    replies = take_part(client)
    last = replies[-1].json()
    assert (last["phase"], last["answered"], last["total"], last["pair"], last["next"]) == ("done", 8, 8, None, None)
    trials = read_trials(study_folder)
    assert [trial.photograph for trial in trials] == [pair.photograph for pair in session(study, 0).pairs]
    for trial, reply in zip(trials, replies[2::3], strict=True):
        expected = trial.real_side == "right" if trial.kind == "practice" else None
        assert reply.json()["right"] is expected
        assert trial.flagged  # the answer came faster than the display time it claims


def test_nothing_tells_the_truth(connect: Callable[[], TestClient], study: Study) -> None:
    browsers = [connect() for _ in range(4)]
    replies = [reply for browser in browsers for reply in take_part(browser)]
    assert {True, False} == {pair.real_side == "left" for pair in session(study, 0).pairs}
    for each in range(3):  # pictures, shown, answers
        assert len({tuple(name for name, _ in reply.headers.multi_items()) for reply in replies[each::3]}) == 1
        told = [
            {name: value for name, value in reply.headers.items() if name != "content-length"}
            for reply in replies[each::3]
        ]
        assert all(headers == told[0] for headers in told)
        assert told[0]["cache-control"] == "no-store"
        assert not {"etag", "last-modified", "content-disposition"} & set(told[0])
    for picture in replies[::3]:
        image = Image.open(io.BytesIO(picture.content))
        assert (image.format, image.size) == ("JPEG", (2 * study.side + 16, study.side))
        assert not image.getexif()
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    # Up to the scan's data every picture is the same file.
    assert len({picture.content[: picture.content.index(b"\xff\xda")] for picture in replies[::3]}) == 1
    test_answers = [reply.json() for reply in replies[2::3] if reply.json()["right"] is None]
    assert {frozenset(reply) for reply in test_answers} == {
        frozenset({"right", "participant", "phase", "answered", "total", "pair", "next"})
    }
    told = "".join(reply.text for reply in replies if reply.headers["content-type"] != "image/jpeg")
    for secret in ("vigilance", "swapped", "random", "real_side", *study.photographs, *study.names.values()):
        assert secret not in told


def test_the_page_is_whole_and_needs_no_other_place(client: TestClient) -> None:
    for path in PAGE:
        reply = client.get(f"/{path}")
        assert reply.status_code == 200
        assert not re.search(r"https?://|@import|eval\(", reply.text)
        assert "script-src 'self'" in reply.headers["content-security-policy"]
    page = client.get("/").text
    assert '<html lang="en">' in page
    assert "<title>" in page
    for path in ("/docs", "/openapi.json", "/study.json", "/answers.sqlite", "/pictures/real/p0000.png"):
        assert client.get(path).status_code == 404


def test_the_first_page_says_what_comes(client: TestClient) -> None:
    assert client.get("/api/study").json() == {
        "title": "Real or coloured?", "practice": 2, "test": 6, "shown_ms": 1000, "progress": None,
    }  # fmt: skip
    first = join(client)
    known = client.get("/api/study").json()["progress"]
    assert known == first | {"pair": None, "next": None}  # to look changes nothing and starts nothing


def test_the_cookie_is_the_sessions_own(client: TestClient, study: Study) -> None:
    reply = client.post("/api/participants", json={"consent": True})
    cookie = reply.headers["set-cookie"].lower()
    assert cookie.startswith(f"photochrom-study-{study.identity}=")
    assert {"httponly", "samesite=strict", "path=/"} <= {part.strip() for part in cookie.split(";")}
    assert "secure" not in cookie  # without HTTPS it would not come back
    again = client.post("/api/participants", json={"consent": True})  # the button pressed twice
    assert again.json() == reply.json()
    assert "set-cookie" not in again.headers


def test_https_makes_the_cookie_secure(study_folder: Path, store: Store) -> None:
    with TestClient(create_app(study_folder, store), base_url="https://testserver") as client:
        assert "; Secure" in client.post("/api/participants", json={"consent": True}).headers["set-cookie"]
        assert client.post("/api/session").status_code == 200


def test_nobody_takes_part_without_consent(client: TestClient, store: Store) -> None:
    assert client.post("/api/participants", json={"consent": False}).status_code == 403
    for body in ({}, {"consent": "yes"}, {"consent": True, "name": "x"}, [], None):
        assert client.post("/api/participants", json=body).status_code == 422
    assert store.participants() == []


def test_tampering(connect: Callable[[], TestClient], store: Store) -> None:
    mine, other, stranger = connect(), connect(), connect()
    pair = join(mine)["pair"]
    join(other)
    assert answer(mine, pair).status_code == 409  # not shown yet
    mine.post(f"/api/pairs/{pair}/shown")
    assert answer(other, pair).status_code == 404
    assert other.get(f"/api/pairs/{pair}/picture").status_code == 404
    assert answer(stranger, pair).status_code == 403
    assert stranger.get(f"/api/pairs/{pair}/picture").status_code == 403
    assert stranger.post("/api/session").status_code == 403
    assert mine.get(f"/api/pairs/{pair}/picture").status_code == 410  # seen once
    assert answer(mine, "made-up").status_code == 404
    assert [trial.state for trial in store.trials()] == ["shown"]
    first = answer(mine, pair, "left")
    again = answer(mine, pair, "left")
    assert (first.status_code, first.content) == (200, again.content)
    assert answer(mine, pair, "right").status_code == 409
    (trial,) = store.trials()
    assert (trial.state, trial.chosen) == ("answered", "right")


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b'{"coloured": "both"}', b'{"coloured": null}', b'{"real": "left"}',
        b'{"coloured": "left", "shown_ms": "long"}', b'{"coloured": "left", "shown_ms": NaN}',
        b'{"coloured": "left", "shown_ms": 1e999}', b'{"coloured": "left", "shown_ms": 1000, "kind": "practice"}',
        b'\xff\xfe\x00',
    ],
)  # fmt: skip
def test_malformed_answers(body: bytes, client: TestClient, store: Store) -> None:
    pair = join(client)["pair"]
    client.post(f"/api/pairs/{pair}/shown")
    reply = client.post(f"/api/pairs/{pair}/answer", content=body, headers={"Content-Type": "application/json"})
    assert reply.status_code == (400 if body.startswith(b"\xff") else 422)
    assert [trial.state for trial in store.trials()] == ["shown"]
    assert answer(client, pair).status_code == 200


def test_a_time_that_was_not_measured_is_flagged(client: TestClient, store: Store) -> None:
    pair = join(client)["pair"]
    client.post(f"/api/pairs/{pair}/shown")
    assert client.post(f"/api/pairs/{pair}/answer", json={"coloured": "right"}).status_code == 200
    (trial,) = store.trials()
    assert (trial.shown_ms, trial.reaction_ms, trial.flagged, trial.chosen) == (None, None, True, "left")


def test_large_bodies_are_not_read(client: TestClient) -> None:
    pair = join(client)["pair"]
    assert answer(client, pair, note="x" * 5000).status_code == 413
    assert client.post("/api/session", content=iter([b"x"])).status_code == 413  # of unknown length


def test_a_busy_database_is_no_lost_answer(
    study_folder: Path, study: Study, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("photochrom.study.store.BUSY_SECONDS", 0.1)
    store = open_store(study_folder, study, create=True)
    with TestClient(create_app(study_folder, store)) as client:
        pair = join(client)["pair"]
        client.post(f"/api/pairs/{pair}/shown")
        blocker = sqlite3.connect(study_folder / DATABASE, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        assert answer(client, pair).status_code == 503
        assert "locked" in caplog.text
        blocker.execute("ROLLBACK")
        blocker.close()
        assert answer(client, pair).status_code == 200
    assert [trial.state for trial in store.trials()] == ["answered"]
    store.close()


def test_a_damaged_picture_is_told_to_the_server_only(
    study_folder: Path, client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    for file in (study_folder / "pictures").rglob("*.png"):
        file.write_bytes(b"no picture")
    pair = join(client)["pair"]
    reply = client.get(f"/api/pairs/{pair}/picture")
    assert reply.status_code == 500
    assert reply.json() == {"detail": "the study is damaged; tell whoever sent you here"}
    assert "expected a whole picture" in caplog.text


def test_30_participants_at_once(study_folder: Path, serve: Serve) -> None:
    server = serve(study_folder)
    together = threading.Barrier(30)

    def participant(_: int) -> tuple[str, int]:
        with httpx.Client(base_url=server.address, timeout=60) as client:
            together.wait()
            replies = take_part(client)
            return replies[-1].json()["participant"], replies[-1].json()["answered"]

    with ThreadPoolExecutor(30) as pool:
        done = list(pool.map(participant, range(30)))
    trials = read_trials(study_folder)
    assert len(set(done)) == 30
    assert {answered for _, answered in done} == {8}
    assert sorted((trial.participant, trial.position) for trial in trials) == sorted(
        (identifier, position) for identifier, _ in done for position in range(8)
    )
    assert {trial.state for trial in trials} == {"answered"}


def test_kill_9_loses_no_acknowledged_answer(study_folder: Path, serve: Serve) -> None:
    server = serve(study_folder)
    acknowledged: set[tuple[str, int]] = set()
    enough = threading.Event()

    def participant(_: int) -> httpx.Cookies:
        with httpx.Client(base_url=server.address, timeout=60) as client:
            try:
                progress = join(client)
                while progress["pair"]:
                    client.post(f"api/pairs/{progress['pair']}/shown")
                    reply = answer(client, progress["pair"])
                    progress = reply.json()
                    acknowledged.add((progress["participant"], progress["answered"] - 1))
                    if len(acknowledged) >= 25:
                        enough.set()
            except httpx.TransportError:
                pass  # killed in the middle of a request
            return client.cookies

    with ThreadPoolExecutor(10) as pool:
        waiting = [pool.submit(participant, number) for number in range(10)]
        assert enough.wait(60)
        server.kill_and_start_again()
        cookies = [future.result() for future in waiting]
    assert len(acknowledged) < 80  # it was in the middle
    stored = {(trial.participant, trial.position) for trial in read_trials(study_folder) if trial.state == "answered"}
    assert acknowledged <= stored
    for jar in cookies:  # everybody goes on where they were
        with httpx.Client(base_url=server.address, timeout=60, cookies=jar) as client:
            progress = client.post("api/session").json() if jar else {"pair": None}
            while progress["pair"]:
                client.post(f"api/pairs/{progress['pair']}/shown")
                progress = answer(client, progress["pair"]).json()
    after = [trial for trial in read_trials(study_folder) if trial.state == "answered"]
    assert len(after) == 8 * len({trial.participant for trial in after})


def test_ctrl_c_ends_it_in_good_order(study_folder: Path, serve: Serve) -> None:
    server = serve(study_folder)
    with httpx.Client(base_url=server.address) as client:
        join(client)
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(20) == 130
    assert server.process.stderr is not None
    rest = server.process.stderr.read()
    assert "ended" in rest
    assert "Traceback" not in rest
    assert not list(study_folder.glob(f"{DATABASE}-*"))  # its log is merged

"""Published weights are downloaded whole or not at all, from a server on this machine."""

import errno
import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from photochrom.errors import ModelError, OutputError, SettingError
from photochrom.foreign import fetch
from photochrom.foreign.fetch import PUBLISHED, DownloadError, Published, fetch_weights, sha256_of

CONTENT = bytes(range(256)) * 10_000  # 2.56 MB: several chunks
DIGEST = hashlib.sha256(CONTENT).hexdigest()
FILE = f"weights-{DIGEST[:8]}.pth"


class Server(BaseHTTPRequestHandler):
    """The published file beneath /good, and what can go wrong beneath other names."""

    protocol_version = "HTTP/1.0"  # a body without a length ends with the connection
    requests: list[str]

    def do_GET(self) -> None:
        type(self).requests.append(self.path)
        kind = self.path.split("/")[1]
        body = {"other": CONTENT[::-1], "cut": CONTENT[:300_000], "endless": CONTENT * 2}.get(kind, CONTENT)
        if kind == "missing":
            return self.send_error(404)
        if kind == "moved":
            self.send_response(302)
            self.send_header("Location", f"/good/{FILE}")
            return self.end_headers()
        if kind == "silent":
            self.server.closing.wait(20)  # type: ignore[attr-defined]
            return None
        self.send_response(200)
        if kind == "huge":
            self.send_header("Content-Length", str(10**12))
        elif kind != "endless":
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch):
    """The server's address; the only published file is its own."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv(fetch.BASE_URL_VARIABLE, raising=False)
    monkeypatch.setitem(PUBLISHED, "eccv16", Published(FILE, "eccv16", "nothing", "none"))
    handler = type("Handler", (Server,), {"requests": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.closing = threading.Event()  # type: ignore[attr-defined]
    server.requests = handler.requests  # type: ignore[attr-defined]
    server.url = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.closing.set()  # type: ignore[attr-defined]
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_download(server, tmp_path):
    steps = []
    folder = tmp_path / "made" / "here"
    file = fetch_weights("eccv16", folder, f"{server.url}/good", progress=lambda *step: steps.append(step))
    assert file == folder / FILE and file.read_bytes() == CONTENT
    assert [path.name for path in folder.iterdir()] == [FILE]
    assert sha256_of(file) == DIGEST
    assert steps[-1] == (len(CONTENT), len(CONTENT)) and len(steps) > 1
    assert steps == sorted(steps)
    fetch_weights("eccv16", folder, f"{server.url}/good")
    assert len(server.requests) == 1  # it was there already


def test_the_address_comes_from_the_environment_too(server, tmp_path, monkeypatch):
    monkeypatch.setenv(fetch.BASE_URL_VARIABLE, f"{server.url}/moved/")
    assert fetch_weights("eccv16", tmp_path).read_bytes() == CONTENT
    assert server.requests == [f"/moved/{FILE}", f"/good/{FILE}"]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "the server answered 404 Not Found; give a mirror with --url or PHOTOCHROM_WEIGHTS_URL"),
        ("other", f"not the published file: its sha256 begins with [0-9a-f]{{8}}, expected {DIGEST[:8]}"),
        ("cut", "the connection ended after 300000 of 2560000 bytes"),
        ("endless", "not the published file"),
        ("huge", "sends 1000000 MB or more; expected at most 1000 MB"),
    ],
)
def test_what_a_server_may_do(kind, message, server, tmp_path):
    with pytest.raises(DownloadError, match=message) as caught:
        fetch_weights("eccv16", tmp_path, f"{server.url}/{kind}")
    assert f"/{kind}/{FILE}" in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_body_without_length_is_bounded(server, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "LIMIT", 3_000_000)
    with pytest.raises(DownloadError, match="expected at most 3 MB"):
        fetch_weights("eccv16", tmp_path, f"{server.url}/endless")
    assert not list(tmp_path.iterdir())


def test_a_server_that_says_nothing(server, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "TIMEOUT", 0.3)
    with pytest.raises(DownloadError, match=r"no answer \(timed out\); check the network"):
        fetch_weights("eccv16", tmp_path, f"{server.url}/silent")
    assert not list(tmp_path.iterdir())


def test_no_server(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(DownloadError, match=r"no answer \(.*refused.*\); check the network, or give a mirror"):
        fetch_weights("eccv16", tmp_path, "http://127.0.0.1:1")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("address", ["file:///etc", "ftp://127.0.0.1", "weights"])
def test_other_addresses_are_refused(address, tmp_path):
    with pytest.raises(SettingError, match="expected an address that begins with https:// or http://"):
        fetch_weights("eccv16", tmp_path, address)
    assert not list(tmp_path.iterdir())


def test_a_damaged_file_that_is_there(server, tmp_path):
    (tmp_path / FILE).write_bytes(CONTENT[:-1])
    with pytest.raises(DownloadError, match=f"{FILE}: not the published file: .*; delete it, or use --overwrite"):
        fetch_weights("eccv16", tmp_path, f"{server.url}/good")
    assert (tmp_path / FILE).read_bytes() == CONTENT[:-1]
    with pytest.raises(DownloadError, match="not the published file"):
        fetch_weights("eccv16", tmp_path, f"{server.url}/other", overwrite=True)
    assert (tmp_path / FILE).read_bytes() == CONTENT[:-1]
    assert fetch_weights("eccv16", tmp_path, f"{server.url}/good", overwrite=True).read_bytes() == CONTENT


def test_no_space_left(server, tmp_path):
    def fill(done: int, total: int | None) -> None:  # where the disk would say so: after a chunk was written
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutputError, match="no space left on the disk"):
        fetch_weights("eccv16", tmp_path, f"{server.url}/good", progress=fill)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be(server, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"could not be written|there is no folder"):
        fetch_weights("eccv16", tmp_path / "file" / "folder", f"{server.url}/good")
    assert not server.requests


def test_names(tmp_path):
    with pytest.raises(
        ModelError, match="eccv61: no published model of that name; expected one of: eccv16, siggraph17"
    ):
        fetch_weights("eccv61", tmp_path)


def test_the_published_names_carry_their_hash():
    from photochrom.models import FETCHABLE

    assert tuple(PUBLISHED) == FETCHABLE
    assert {name: file.digest for name, file in PUBLISHED.items()} == {"eccv16": "9b330a0b", "siggraph17": "df00044c"}
    assert {file.file for file in PUBLISHED.values()} == {
        "colorization_release_v2-9b330a0b.pth",
        "siggraph17-df00044c.pth",
    }

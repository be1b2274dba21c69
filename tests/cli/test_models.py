"""photochrom models."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import skimage.data
import torch
from PIL import Image

from photochrom.foreign.fetch import BASE_URL_VARIABLE, PUBLISHED, Published
from photochrom.models import bundled_models, read_info
from photochrom.nets.eccv16 import ECCV16
from photochrom.nets.siggraph17 import SIGGRAPH17

from .conftest import Run, whole

DOCS = Path(__file__).resolve().parents[2] / "docs" / "models.md"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, not the user's own; it does not exist yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "photochrom"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A server on this machine that has small networks under the published names; its folder."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    torch.manual_seed(0)
    for name, network in (("eccv16", ECCV16(1 / 64)), ("siggraph17", SIGGRAPH17(1 / 64))):
        torch.save(network.state_dict(), folder / name)
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()[:8]
        (folder / name).rename(folder / f"{name}-{digest}.pth")
        monkeypatch.setitem(PUBLISHED, name, Published(f"{name}-{digest}.pth", name, "nothing", "CC0-1.0"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv(BASE_URL_VARIABLE, f"http://127.0.0.1:{server.server_port}")
    yield folder
    server.shutdown()
    thread.join()
    server.server_close()


def test_list(run: Run) -> None:
    result = run("models", "list")
    assert result.code == 0
    names = [line.split()[0] for line in result.out.splitlines()]
    assert names == ["NAME", *bundled_models()]


def test_list_as_json(run: Run) -> None:
    lines = [json.loads(line) for line in run("models", "list", "--json").out.splitlines()]
    assert [line["name"] for line in lines] == list(bundled_models())
    for line in lines:
        assert line["bytes"] == Path(line["path"]).stat().st_size


def test_list_goes_on_after_a_damaged_one(run: Run, cache: Path, tiny_model: Path) -> None:
    cache.mkdir(parents=True)
    (cache / "eccv16.onnx").write_text("damaged")
    (cache / "tiny.onnx").write_bytes(tiny_model.read_bytes())
    result = run("models", "list")
    assert result.code == 1
    assert [line.split()[0] for line in result.out.splitlines()] == ["NAME", *bundled_models(), "tiny"]
    assert f"Error: {cache / 'eccv16.onnx'}: not a model" in result.err


def test_info_of_a_file(run: Run, tiny_model: Path) -> None:
    result = run("models", "info", tiny_model)
    assert result.code == 0
    facts = dict(line.split(None, 1) for line in result.out.splitlines() if len(line.split(None, 1)) == 2)
    assert facts["sha256"] == hashlib.sha256(tiny_model.read_bytes()).hexdigest()
    assert facts["path"] == str(tiny_model)
    assert json.loads(run("models", "info", tiny_model, "--json").out)["stride"] == int(facts["stride"])


def test_info_of_an_unknown_model(run: Run) -> None:
    result = run("models", "info", "litte")
    assert result.code == 2
    assert "litte: no model of that name and no such file; expected one of: " in result.err


def test_without_a_subcommand(run: Run) -> None:
    assert "list" in "".join(run("models")[1:])


def test_fetch_and_colour(run: Run, cache: Path, mirror: Path, scans: Path) -> None:
    before = run("colorize", "scans/one.jpg", "--model", "siggraph17")
    assert before.code == 2 and "to download it, run: photochrom models fetch siggraph17" in before.err
    result = run("models", "fetch", "siggraph17")
    assert result.code == 0, result.err
    file = PUBLISHED["siggraph17"].file
    assert {path.name for path in cache.iterdir()} == {file, "siggraph17.onnx", "siggraph17.safetensors"}
    assert f"{(mirror / file).stat().st_size / 1e6:.1f} MB downloaded" in result.err
    assert run("models", "list").out.splitlines()[-1].split()[0] == "siggraph17"
    info = json.loads(run("models", "info", "siggraph17", "--json").out)
    assert (info["name"], info["licence"], info["stride"]) == ("siggraph17", "CC0-1.0", 1)
    assert run("colorize", "scans/one.jpg", "--model", "siggraph17").code == 0
    assert whole(scans / "one.color.jpg").mode == "RGB"


def test_a_second_fetch_changes_nothing(run: Run, cache: Path, mirror: Path) -> None:
    assert run("models", "fetch", "siggraph17").code == 0
    before = {path: path.stat().st_mtime_ns for path in cache.iterdir()}
    for path in mirror.iterdir():
        path.unlink()
    again = run("models", "fetch", "siggraph17")
    assert again.code == 0 and "is there already" in again.err
    assert {path: path.stat().st_mtime_ns for path in cache.iterdir()} == before
    failed = run("models", "fetch", "siggraph17", "--overwrite")
    assert failed.code == 1 and "the server answered 404" in failed.err
    assert {path: path.stat().st_mtime_ns for path in cache.iterdir()} == before


def test_fetch_to_a_folder_leaves_what_is_there(run: Run, cache: Path, mirror: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "siggraph17.safetensors").write_text("mine")
    result = run("models", "fetch", "siggraph17", "-o", folder)
    assert result.code == 1 and "siggraph17.safetensors: the output exists already" in result.err
    assert (folder / "siggraph17.safetensors").read_text() == "mine" and not cache.exists()
    assert not (folder / "siggraph17.onnx").exists()


def test_fetch_of_an_unknown_name(run: Run, cache: Path) -> None:
    result = run("models", "fetch", "eccv61")
    assert result.code == 2
    assert "eccv61: no published model of that name; expected one of: eccv16, siggraph17" in result.err
    assert not cache.exists()


def test_import(run: Run, mirror: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights.pth"
    (mirror / PUBLISHED["eccv16"].file).rename(weights)
    (tmp_path / "album").mkdir()
    Image.fromarray(skimage.data.coffee()).save(tmp_path / "album" / "coffee.jpg")
    result = run("models", "import", weights, "--name", "theirs", "--photographs", tmp_path / "album")
    assert result.code == 0, result.err
    assert read_info(tmp_path / "weights.onnx").name == "theirs"
    assert "weights.onnx: eccv16, 0.0" in result.err and "weights in weights.safetensors" in result.err
    assert "temperature: " in result.err and "fitted to 1 photographs" in result.err
    again = run("models", "import", weights)
    assert again.code == 1 and "weights.onnx: the output exists already" in again.err
    bad = run("models", "import", tmp_path / "album" / "coffee.jpg", "-o", tmp_path / "bad.onnx")
    assert bad.code == 2 and "coffee.jpg: damaged, or no file of weights" in bad.err
    for nothing in (".", "..", tmp_path / "none.pth"):
        assert run("models", "import", nothing).code == 2
    assert not (tmp_path / "bad.onnx").exists()


def test_the_commands_in_the_docs_work(run: Run, mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that download or read weights (```console blocks); tests/test_docs.py runs the others."""
    monkeypatch.chdir(tmp_path)
    torch.save(ECCV16(1 / 64).state_dict(), "weights.pth")
    Path("old").mkdir()
    Path("album").mkdir()
    Image.fromarray(skimage.data.coffee()).save("album/coffee.jpg")
    Image.fromarray(skimage.data.camera()[::4, ::4]).save("old.jpg")
    blocks = re.findall(r"^```console\n(.*?)^```", DOCS.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines()]
    assert len(lines) == 5
    for line in lines:
        program, *words = shlex.split(line)
        assert program == "photochrom"
        result = run(*words)
        assert result.code == 0, (line, result.err)

"""Nothing leaves the machine, and nothing is left on it: ONNX Runtime's telemetry stays off."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import skimage.data
from PIL import Image

ROOT = Path(__file__).parents[1]
API = "import photochrom; photochrom.load().colorize_file('photo.png', 'made.png')"
PHOTOCHROM = [sys.executable, "-m", "photochrom"]
COMMANDS = {
    "colorize": [*PHOTOCHROM, "colorize", "photo.png", "-o", "made.png", "-q"],
    "stdin": ["sh", "-c", '"$0" -m photochrom colorize - -o made.png -q < photo.png', sys.executable],
    "dry run": [*PHOTOCHROM, "colorize", "photo.png", "--dry-run", "-q"],
    "models list": [*PHOTOCHROM, "models", "list"],
    "models info": [*PHOTOCHROM, "models", "info", "lite"],
    "data stats": [*PHOTOCHROM, "data", "stats", "."],
    "API": [sys.executable, "-c", API],
    "export": [sys.executable, "-c", "import photochrom.training.export"],
    "judges": [sys.executable, "-c", "import photochrom.evaluation.judges.onnx_classifier; " + API],
}

LISTENER = """
import fcntl, os, socket, struct, subprocess, sys, threading
device = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(device, 0x8914, struct.pack("16sH14s", b"lo", 0x41, b""))  # SIOCSIFFLAGS: up and running
# Programs that see no address but 127.0.0.1 need not ask (getaddrinfo's AI_ADDRCONFIG).
address = struct.pack("16sHH4s8s", b"lo:1", socket.AF_INET, 0, socket.inet_aton("10.9.8.7"), b"")
fcntl.ioctl(device, 0x8916, address)  # SIOCSIFADDR
open("resolv.conf", "w").write("nameserver 127.0.0.1\\noptions timeout:1 attempts:1\\n")
subprocess.run(["mount", "--bind", "resolv.conf", os.path.realpath("/etc/resolv.conf")], check=True)
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
def listen():
    while True:
        question = server.recv(1000)[12:]
        labels = []
        while question and question[0]:
            labels.append(question[1:1 + question[0]].decode())
            question = question[1 + question[0]:]
        print("asked for", ".".join(labels), flush=True)
threading.Thread(target=listen, daemon=True).start()
sys.exit(subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode)
"""


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    Image.fromarray(skimage.data.camera()).save(folder / "photo.png")
    return folder / "photo.png"


def empty_places(folder: Path) -> dict[str, str]:
    """An environment as a new user's, where ONNX Runtime does not take itself to be in a test (CI)."""
    places = {name: str(folder / name.lower()) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")}
    for place in places.values():
        Path(place).mkdir()
    left_out = ("CI", "ORT_DISABLE_TELEMETRY", "TF_BUILD", "GITHUB_ACTIONS", "PYTHONPYCACHEPREFIX")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return {**kept, **places, "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.mark.parametrize("name", COMMANDS)
def test_no_file_is_left_behind(name: str, photograph: Path, tmp_path: Path) -> None:
    (tmp_path / "places").mkdir()
    environment = empty_places(tmp_path / "places")
    done = subprocess.run(
        COMMANDS[name], cwd=photograph.parent, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    left = [path for path in (tmp_path / "places").rglob("*") if path.is_file()]
    assert [path for path in left if path.parent.name != "matplotlib"] == []  # its list of fonts (docs/privacy.md)
    assert {path.name for path in photograph.parent.iterdir()} <= {"photo.png", "made.png"}


def namespaces_allowed() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "-rnm", "true"], capture_output=True, check=False).returncode == 0


def names_asked_for(command: list[str], folder: Path, environment: dict[str, str]) -> list[str]:
    """Names that the command asks a resolver for, in a network that has nothing but one."""
    done = subprocess.run(
        ["unshare", "-rnm", sys.executable, "-c", LISTENER, *command],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.skipif(not namespaces_allowed() and "CI" not in os.environ, reason="no network namespaces here")
def test_no_name_is_looked_up(photograph: Path, tmp_path: Path) -> None:
    """Telemetry is sent in the background: without the repair, the first question comes after some seconds."""
    (tmp_path / "places").mkdir()
    environment = empty_places(tmp_path / "places")
    asks = "import socket, contextlib\nwith contextlib.suppress(OSError): socket.getaddrinfo('photochrom.test', 80)"
    assert "asked for photochrom.test" in names_asked_for([sys.executable, "-c", asks], photograph.parent, environment)
    waits = f"{API}; import time; time.sleep(12); photochrom.load('lite')"
    assert names_asked_for([sys.executable, "-c", waits], photograph.parent, environment) == []


@pytest.mark.parametrize("folder", ["src", "benchmarks", "examples"])
def test_one_module_imports_it(folder: str) -> None:
    found = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        tree = ast.parse(path.read_text())
        typing_only = {
            id(inner)
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            for inner in ast.walk(node)
        }
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            if id(node) not in typing_only and any(name.split(".")[0] == "onnxruntime" for name in names):
                found.append(path.name)
    allowed = {"src": {"onnx_runtime.py"}, "benchmarks": {"int8.py"}, "examples": set()}  # int8: after that module
    assert set(found) == allowed[folder]

"""What the tests of the command line share: real photographs made grey, and two ways to run the command."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import skimage.data
from PIL import Image

from photochrom.cli import main

PROGRAM = [sys.executable, "-c", "from photochrom.cli import main; main()"]


class Result(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Result]


def as_command(*args: object) -> list[str]:
    """`photochrom colorize ARGS...` as a process of its own."""
    return [*PROGRAM, "colorize", *map(str, args)]


def whole(path: Path) -> Image.Image:
    """A photograph, decoded to the last pixel; raises if it is cut short."""
    image = Image.open(path)
    image.load()
    return image


def without_privileges() -> list[str]:
    """A prefix for a command that must not be let past permissions, as root is."""
    if os.geteuid() != 0:
        return []
    assert shutil.which("setpriv"), "as root this test needs setpriv (util-linux) to drop root's privileges"
    return ["setpriv", "--inh-caps=-all", "--bounding-set=-all"]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """photochrom ARGS... in this process: exit code, stdout, stderr."""

    def call(*args: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["photochrom", *map(str, args)])
        code = 0
        try:
            main()
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        return Result(code, *capfd.readouterr())

    return call


@pytest.fixture
def colorize(run: Run, tiny_model: Path) -> Run:
    """photochrom colorize ARGS... with the tiny model, in this process."""
    return lambda *args: run("colorize", "--model", tiny_model, *args)


@pytest.fixture(scope="session")
def portrait() -> Image.Image:
    """512 x 512, grey."""
    return Image.fromarray(skimage.data.astronaut()).convert("L")


@pytest.fixture
def scans(tmp_path: Path, portrait: Image.Image, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with scans/: eight photographs (one 16-bit) in three folders, and a text."""
    folder = tmp_path / "scans"
    for name in ("one.jpg", "two.png", "1903/one.jpg", "1903/three.tif", "1903/May/four.webp", "1903/May/five.JPG"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        portrait.resize((96, 64)).save(path)
    deep = np.asarray(portrait.resize((50, 70)), np.uint16) * 257
    Image.fromarray(deep).save(folder / "deep.png")
    Image.fromarray(skimage.data.coffee()).resize((80, 60)).save(folder / "coffee.jpg")
    (folder / "notes.txt").write_text("bought in May")
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def large_photo(tmp_path_factory: pytest.TempPathFactory, portrait: Image.Image) -> Path:
    """3000 x 3000, grey JPEG: long enough in work to be interrupted."""
    path = tmp_path_factory.mktemp("large") / "large.jpg"
    portrait.resize((3000, 3000)).save(path, quality=95)
    return path


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def as_process(*args: object, prefix: list[str] | None = None, **options: object) -> subprocess.CompletedProcess[bytes]:
    """photochrom colorize ARGS... in a process of its own."""
    command = [*(prefix or []), *as_command(*args)]
    return subprocess.run(command, capture_output=True, env=environment(), timeout=300, **options)  # type: ignore[call-overload]

"""What the README and the docs tell a user to type works: Python blocks run, colouring commands run, others parse."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import skimage.data
from PIL import Image

PROJECT = Path(__file__).resolve().parent.parent
PAGES = [
    "README.md",
    "README.ko.md",
    "CONTRIBUTING.md",
    *sorted(str(p.relative_to(PROJECT)) for p in PROJECT.glob("docs/*.md")),
]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
RUN = [sys.executable, "-c", "from photochrom.cli import main; main()"]


def blocks(page: str, language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall((PROJECT / page).read_text("utf-8")) if kind == language]


def commands(page: str) -> list[str]:
    lines = [line.split(" #")[0].strip() for text in blocks(page, "") for line in text.splitlines()]
    return [line for line in lines if "photochrom " in line and not line.startswith("pip ")]


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with the photographs that the pages talk of."""
    grey = Image.fromarray(skimage.data.camera()[::4, ::4])
    grey.save(tmp_path / "grandmother.jpg")
    grey.save(tmp_path / "old.jpg")
    grey.save(tmp_path / "old.png")
    for name in ("album/1920/a.jpg", "scans/one.tif", "scans/two.tif"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        grey.save(tmp_path / name)
    (tmp_path / "PHOTOS").mkdir()
    Image.fromarray(skimage.data.chelsea()[::3, ::3]).save(tmp_path / "PHOTOS" / "cat.jpg")
    from photochrom.models import WEIGHTS

    shutil.copy(WEIGHTS / "lite.onnx", tmp_path / "mine.onnx")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", PAGES)
def test_python_blocks_run(page, desk):
    for text in blocks(page, "python"):
        exec(compile(text, page, "exec"), {})


@pytest.mark.parametrize("page", PAGES)
def test_commands_work(page, desk):
    for line in commands(page):
        if re.search(r"photochrom (colorize|models|data)\b", line):
            shell = line.replace("photochrom ", f"{shlex.join(RUN)} ", 1)
            done = subprocess.run(shell, shell=True, capture_output=True, check=False)
            assert done.returncode == 0, (line, done.stderr.decode())
        else:
            assert_parses(shlex.split(line.split("photochrom ", 1)[1]))


def assert_parses(words: list[str]) -> None:
    """The command exists and takes these arguments, without running it (training takes hours)."""
    import typer

    from photochrom.cli import _build_app

    group = typer.main.get_group(_build_app())
    context = group.make_context("photochrom", words)
    _, command, rest = group.resolve_command(context, words)
    command.make_context(words[0], rest, parent=context)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    text = (PROJECT / page).read_text("utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if not target.startswith("http"):
            assert ((PROJECT / page).parent / target).exists(), target

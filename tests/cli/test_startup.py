"""What a start costs: which modules are imported when. (Seconds are measured by benchmarks, not here.)"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import photochrom
from photochrom.cli import COMMANDS

from .conftest import PROGRAM, Run, environment

HEAVY = {
    "torch",
    "lightning",
    "onnxruntime",
    "pyvips",
    "onnx",
    "matplotlib",
    "fastapi",
    "uvicorn",
    "sqlalchemy",
    "jinja2",
    "skimage",
    "sklearn",
    "scipy",
    "cv2",
    "PIL",
}


def imported(code: str, *args: object) -> set[str]:
    """Top-level modules in a new interpreter after the code."""
    script = f"""
import atexit, json, sys
atexit.register(lambda: print(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})), file=sys.__stderr__))
{code}
"""
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, args)], capture_output=True, text=True, env=environment(), check=False
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


MAIN = "from photochrom.cli import main; main()"


def test_import_is_light() -> None:
    assert not imported("import photochrom") & (HEAVY | {"numpy", "typer", "rich"})


def test_version_is_light() -> None:
    assert not imported(MAIN, "--version") & (HEAVY | {"numpy", "typer", "rich"})


@pytest.mark.parametrize("args", [["--help"], [], ["colorize", "--help"], ["models", "--help"], ["bench", "--help"]])
def test_help_is_light(args: list[str]) -> None:
    assert not imported(MAIN, *args) & HEAVY


def test_colorize_needs_no_pytorch(scans: Path, tiny_model: Path) -> None:
    after = imported(MAIN, "colorize", scans / "one.jpg", "--model", tiny_model)
    assert {"onnxruntime", "pyvips"} <= after
    assert not after & (HEAVY - {"onnxruntime", "pyvips"})
    assert (scans / "one.color.jpg").exists()


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version(option: str) -> None:
    done = subprocess.run([*PROGRAM, option], capture_output=True, text=True, env=environment(), check=True)
    assert done.stdout == f"photochrom {photochrom.__version__}\n"


def test_help_names_every_command(run: Run) -> None:
    result = run("--help")
    assert result.code == 0
    for name, command in COMMANDS.items():
        assert f"  {name} " in result.out
        assert command.help.split(":")[0][:30] in result.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_be_reached(run: Run, name: str) -> None:
    result = run(name, "--help")
    assert result.code == 0
    assert f"Usage: photochrom {name}" in result.out


def test_a_photograph_instead_of_a_command(run: Run, scans: Path) -> None:
    result = run("scans/one.jpg", "-o", "x.jpg")
    assert result.code == 2
    assert "Did you mean: photochrom colorize scans/one.jpg -o x.jpg" in result.err
    assert run("scans").code == 2
    assert "No such command 'paint'" in run("paint").err


@pytest.mark.parametrize(
    "command", [["train", "lite", "--data", "."], ["models", "fetch", "eccv16"], ["models", "import", "eccv16"]]
)
def test_a_missing_package_is_named(command: list[str], tmp_path: Path) -> None:
    # In an interpreter of its own: modules that are taken out of this one would be missed by other tests.
    script = "import sys; sys.modules['torch'] = None; from photochrom.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, *command],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment() | {"XDG_CACHE_HOME": str(tmp_path / "cache")},
        check=False,
    )
    assert done.returncode == 2
    assert "(torch); run: pip install 'photochrom[train]'" in done.stderr
    assert not list(tmp_path.iterdir())

"""photochrom colorize over many inputs: one that cannot be done costs none of the others."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .conftest import Run, as_command, environment, whole


def test_a_folder_and_a_clash_among_files(colorize: Run, scans: Path) -> None:
    Image.open(scans / "one.jpg").save(scans / "one.tif")
    result = colorize(*sorted(scans.glob("*.[jpt]*g")), scans / "one.tif", scans / "1903", "--format", "jpg", "--json")
    lines = {Path(line["input"]).name: line for line in map(json.loads, result.out.splitlines())}
    assert result.code == 1
    assert {name for name, line in lines.items() if line["status"] == "failed"} == {"one.jpg", "one.tif", "1903"}
    assert {name for name, line in lines.items() if line["status"] == "done"} == {"coffee.jpg", "deep.png", "two.png"}
    assert "add -r" in lines["1903"]["error"]


def test_two_processes_on_one_folder(scans: Path, tiny_model: Path) -> None:
    command = as_command("--model", tiny_model, "-r", scans, "-o", "out/", "--skip-existing", "-q")
    both = [
        subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)
    ]
    assert [(process.communicate(timeout=300)[1], process.returncode) for process in both] == [(b"", 0)] * 2
    assert len([whole(path) for path in Path("out").rglob("*") if path.is_file()]) == 8


def test_in_place(colorize: Run, scans: Path) -> None:
    assert colorize(scans / "one.jpg", "-o", scans / "one.jpg", "--overwrite").code == 2
    before = colorize(scans / "one.jpg", "-o", "out.jpg")
    assert before.code == 0
    assert colorize(scans / "one.jpg", "--in-place").code == 0
    assert np.array_equal(np.asarray(whole(scans / "one.jpg")), np.asarray(whole(Path("out.jpg"))))
    content = (scans / "one.jpg").read_bytes()
    again = colorize(scans / "one.jpg", "--in-place")
    assert again.code == 0 and "photochrom made it" in again.err
    assert (scans / "one.jpg").read_bytes() == content
    for other in ("--overwrite", "--skip-existing", "-o=x.jpg", "--format=png"):
        assert colorize(scans / "one.jpg", "--in-place", *other.split("=")).code == 2


def test_pipes_as_files(scans: Path, tiny_model: Path) -> None:
    content = (scans / "two.png").read_bytes()
    command = as_command("--model", tiny_model, "/dev/stdin", "-o", "out.png")
    done = subprocess.run(command, input=content, env=environment(), capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr
    command = as_command("--model", tiny_model, scans / "two.png", "-o", "/dev/stdout")
    piped = subprocess.run(command, env=environment(), capture_output=True, timeout=300)
    assert piped.stdout == Path("out.png").read_bytes()


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
def test_devices_are_no_photographs(device: str, colorize: Run, scans: Path) -> None:
    result = colorize(device, "-o", "out.png")
    assert result.code == 1 and f"{device}: is a device" in result.err
    assert colorize(scans / "one.jpg", "-o", "/dev/null").code == 0


def test_an_input_that_is_a_pipe_needs_an_output(colorize: Run, scans: Path) -> None:
    os.mkfifo(scans / "pipe")
    result = colorize(scans / "pipe", scans / "one.jpg")
    assert result.code == 1 and "give -o FILE" in result.err
    assert (scans / "one.color.jpg").exists()
    assert colorize(scans / "pipe", "-o", "x.png", "--dry-run").code == 0  # opens nothing, so it cannot hang


@pytest.mark.parametrize(
    "options",
    [("--saturation", "10.1"), ("--saturation", "1e39"), ("--temperature", "1e30"), ("--temperature", "1e-30")],
)
def test_limits(options: tuple[str, str], colorize: Run, scans: Path) -> None:
    assert colorize(scans / "one.jpg", *options).code == 2


@pytest.mark.parametrize("length", [244, 245, 251])
def test_long_names(length: int, colorize: Run, scans: Path) -> None:
    """`.color` makes 250 bytes and more of them; above 255 the message says what to do."""
    source = scans / ("x" * (length - 4) + ".jpg")
    (scans / "one.jpg").rename(source)
    result = colorize(source)
    if length + len(".color") <= 255:
        assert result.code == 0
    else:
        assert result.code == 1 and "longer than the disk allows; give a shorter one with -o" in result.err
        assert colorize(source, "-o", "short.jpg").code == 0

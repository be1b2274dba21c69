"""photochrom bench: what it measures and says; no figure is asserted but that there is one."""

from __future__ import annotations

import json
from pathlib import Path

from photochrom.models import read_info

from .conftest import Run


def test_bench(run: Run, tiny_model: Path, tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    result = run(
        "bench", "--model", tiny_model, "--size", 64, "--size", 256, "--threads", 1, "--runs", 2, "--json", file
    )
    assert result.code == 0, result.err
    figures = json.loads(file.read_text())
    assert figures["machine"]["cores"] >= 1
    assert figures["model"]["sha256"] == read_info(tiny_model).sha256
    assert figures["model"]["native_size"] == read_info(tiny_model).native_size
    measured = [(timing["what"], timing["size"], timing["threads"]) for timing in figures["timings"]]
    name = read_info(tiny_model).name
    assert measured[:3] == [(name, 64, 1), (name, 256, 1), ("ECCV16", 256, 1)]
    assert [what for what, _, _ in measured[3:]] == [
        "photograph", "libvips alone", "process: colorize", "process: --version", "process: python -c pass",
    ]  # fmt: skip
    assert all(timing["seconds"] > 0 and timing["runs"] == 2 for timing in figures["timings"])
    assert "ECCV16 takes" in result.out
    assert "512-pixel JPEG, file to file" in result.out


def test_wrong_usage(run: Run, tiny_model: Path) -> None:
    for options, said in (
        (["--size", 100], "--size is 100; expected a multiple of 32"),
        (["--threads", 0], "--threads"),
        (["--runs", 0], "--runs"),
        (["--json", "nowhere/x.json"], "there is no folder nowhere"),
        (["--model", "litte"], "litte: no model of that name"),
    ):
        result = run("bench", "--model", tiny_model, *options)
        assert result.code == 2
        assert said in result.err

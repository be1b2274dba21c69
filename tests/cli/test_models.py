"""photochrom models."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from photochrom.models import bundled_models

from .conftest import Run


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

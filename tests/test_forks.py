"""Processes: a Colorizer goes to spawned ones, and a forked one is told what to do instead of hanging."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from photochrom.colorizer import Colorizer, load
from photochrom.errors import ModelError

FORKED = """
import multiprocessing, sys, numpy as np, photochrom
photograph = np.arange(6400, dtype=np.uint8).reshape(80, 80)
colorizer = photochrom.load(sys.argv[1])
{before}
child = multiprocessing.get_context("fork").Process(target=colorizer.{method}, args=[{argument}])
child.start()
child.join(30)
print("exit", child.exitcode)
child.kill()
"""


def forked(model: Path, before: str, method: str = "colorize", argument: str = "photograph") -> tuple[str, str]:
    """(stdout, stderr) of a process that forks a child to colour."""
    script = FORKED.format(before=before, method=method, argument=argument)
    done = subprocess.run(
        [sys.executable, "-c", script, str(model)], capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout.strip(), done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize(
    ("method", "argument"),
    [("colorize", "photograph"), ("ab_map", "np.full((64, 64), 50, np.float32)")],
)
def test_a_fork_after_use_is_refused_at_once(method: str, argument: str, tiny_model: Path) -> None:
    out, err = forked(tiny_model, "colorizer.colorize(photograph)", method, argument)
    assert out == "exit 1"
    assert "ForkError" in err and 'multiprocessing.get_context("spawn")' in err


def test_a_pickled_colorizer_opens_its_model_anew(cat: NDArray, colorizer: Colorizer) -> None:
    copy = pickle.loads(pickle.dumps(colorizer))
    assert copy.info == colorizer.info
    assert np.array_equal(copy.colorize(cat), colorizer.colorize(cat))


def test_a_pickled_colorizer_keeps_its_limits(tiny_model: Path) -> None:
    copy = pickle.loads(pickle.dumps(load(tiny_model, threads=1, max_pixels=100)))
    assert (copy._threads, copy._max_pixels) == (1, 100)


def test_another_model_under_the_same_name_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(tiny_model.read_bytes())
    pickled = pickle.dumps(load(tmp_path / "model.onnx"))
    (tmp_path / "model.onnx").write_bytes(tiny_model.read_bytes().replace(b"tiny", b"tina"))
    with pytest.raises(ModelError, match="has changed"):
        pickle.loads(pickled)


def test_spawned_processes_colour(cat: NDArray, colorizer: Colorizer) -> None:
    expected = colorizer.colorize(cat)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert np.array_equal(pool.submit(colorizer.colorize, cat).result(timeout=60), expected)

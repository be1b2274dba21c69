"""A Colorizer and other processes: spawned ones get a copy of it, forked ones an error where they would hang."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from photochrom import errors
from photochrom.colorizer import Colorizer, load

SECONDS = 60  # a child that takes longer hangs
CHILD = """
import os, sys, time
from pathlib import Path
import numpy as np
import photochrom
from photochrom.photo.reading import open_photo
from photochrom.errors import ForkedProcessError
photo, model = Path(sys.argv[1]), sys.argv[2]
pixels = np.tile(np.arange(256, dtype=np.uint8), (256, 1))
def used(colorizer): return colorizer.colorize(pixels)
{before}
child = os.fork()
if child == 0:
    try:
        {after}
    except ForkedProcessError as error:
        os._exit(3 if "spawn" in str(error) else 4)
    os._exit(0)
for _ in range({seconds} * 10):
    done, status = os.waitpid(child, os.WNOHANG)
    if done:
        print(os.waitstatus_to_exitcode(status))
        break
    time.sleep(0.1)
else:
    os.kill(child, 9)
    print("hangs")
{then}
"""
REFUSED, DONE = "3", "0"
FORKS = {
    "a used Colorizer": ("c = photochrom.load(model); used(c)", "used(c)", REFUSED),
    "a file, in place of an array": ("c = photochrom.load(model); c.colorize(photo)", "c.colorize(photo)", REFUSED),
    "loaded, not used": ("c = photochrom.load(model)", "used(c)", REFUSED),
    "loaded, predict_ab": ("c = photochrom.load(model)", "c.predict_ab(np.ones((64, 64)))", REFUSED),
    "the default Colorizer": ("photochrom.colorize(pixels)", "photochrom.colorize(pixels)", REFUSED),
    "loaded in the child": ("used(photochrom.load(model))", "used(photochrom.load(model))", REFUSED),
    "ab_map in the child": (
        "used(photochrom.load(model))",
        "photochrom.load(model).ab_map(np.full((64, 64), 50, np.float32))",
        REFUSED,
    ),
    "open_photo in both": ("open_photo(photo).array()", "open_photo(photo).array()", REFUSED),
    "opened before": ("p = open_photo(photo)", "p.array()", REFUSED),
    "imported only": ("", "used(photochrom.load(model))", DONE),
}


@pytest.fixture
def photo(tmp_path: Path, astronaut: NDArray[np.uint8]) -> Path:
    Image.fromarray(astronaut).convert("L").save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("case", FORKS)
def test_a_forked_process_is_told_at_once(case: str, photo: Path, tiny_model: Path) -> None:
    before, after, expected = FORKS[case]
    then = "used(c)" if "used(c)" in before else ""  # the parent goes on
    script = CHILD.format(before=before, after=after, then=then, seconds=SECONDS)
    command = [sys.executable, "-W", "ignore", "-c", script, str(photo), str(tiny_model)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3 * SECONDS, check=False)
    assert (done.returncode, done.stdout.split()) == (0, [expected]), done.stderr


def test_a_pickled_colorizer_is_the_same(tiny_model: Path, astronaut: NDArray[np.uint8]) -> None:
    original = load(tiny_model, threads=1, max_pixels=300_000)
    copy = pickle.loads(pickle.dumps(original))
    assert copy.info == original.info
    assert (copy.colorize(astronaut) == original.colorize(astronaut)).all()
    assert (copy._threads, copy._max_pixels) == (1, 300_000)


def test_a_bundled_model_goes_by_its_name() -> None:
    assert str(Path(load().info.path).parent).encode() not in pickle.dumps(load())


def test_a_relative_model_is_found_from_elsewhere(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_model.parent)
    original = load(tiny_model.name)
    monkeypatch.chdir(tmp_path)
    assert pickle.loads(pickle.dumps(original)).info.sha256 == original.info.sha256


def test_a_changed_or_missing_model_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    own = shutil.copy(tiny_model, tmp_path / "own.onnx")
    pickled = pickle.dumps(load(own))
    own.write_bytes(load().info.path.read_bytes())
    with pytest.raises(errors.ModelError, match=r"own\.onnx: has changed"):
        pickle.loads(pickled)
    own.unlink()
    with pytest.raises(errors.ModelError, match=r"own\.onnx"):
        pickle.loads(pickled)


def size_of(colorizer: Colorizer, photo: Path) -> tuple[int, ...]:
    return colorizer.colorize(photo).shape


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_processes_started_afresh(method: str, photo: Path, tiny_model: Path) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    colorizer = load(tiny_model)
    colorizer.colorize(photo)  # libvips' threads run in this process
    with ProcessPoolExecutor(1, multiprocessing.get_context(method)) as pool:
        assert pool.submit(size_of, colorizer, photo).result(SECONDS) == (512, 512, 3)
        with pytest.raises(errors.MissingPhotoError, match=r"none\.png: there is no such file"):
            pool.submit(size_of, colorizer, photo.with_name("none.png")).result(SECONDS)
        assert pool.submit(size_of, colorizer, photo).result(SECONDS) == (512, 512, 3)  # the pool is not broken


@pytest.mark.parametrize("kind", [errors.PhotoError, errors.MissingPhotoError, errors.ExistingOutputError])
def test_errors_about_photographs_can_be_pickled(kind: type[errors.PhotoError]) -> None:
    error = kind(Path("a.png"), "damaged", "expected a whole one")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind and str(copy) == str(error)
    assert (copy.name, copy.found, copy.expected) == (error.name, error.found, error.expected)


def test_the_refusal_of_a_fork_can_be_pickled() -> None:
    error = errors.ForkedProcessError()
    assert str(pickle.loads(pickle.dumps(error))) == str(error)

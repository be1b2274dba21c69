"""A small study of real photographs, built as `photochrom study build` does, and a server of it in its own process."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage import data
from sklearn.datasets import load_sample_image

from photochrom.evaluation.photographs import Photograph, list_photographs
from photochrom.study.build import Settings, build_study
from photochrom.study.plan import Study, load_study

SMALL = Settings(title="Real or coloured?", seed=3, side=64, practice=2, test=6, vigilance=2, spares=6)
SERVE = [sys.executable, "-m", "photochrom", "study", "serve"]


class Swapped:
    """A colouriser without a network: a and b change places."""

    name = "swapped"
    note = ""

    def ab(self, photograph: Photograph) -> NDArray[np.float32]:
        return photograph.ab[..., ::-1]


def crops() -> Iterator[NDArray[np.uint8]]:
    """Squares of 150 pixels out of six photographs: different pictures, most of them in colour."""
    whole = [
        data.astronaut(),
        data.chelsea(),
        data.coffee(),
        data.rocket(),
        load_sample_image("china.jpg"),
        load_sample_image("flower.jpg"),
    ]
    for top in (0, 140):
        for left in (0, 160, 300):
            for rgb in whole:
                square = rgb[top : top + 150, left : left + 150]
                if square.shape == (150, 150, 3):
                    yield square


@pytest.fixture(scope="session")
def colour_photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of about 30 small colour photographs."""
    folder = tmp_path_factory.mktemp("colour-photographs")
    for number, rgb in enumerate(crops()):
        Image.fromarray(rgb).save(folder / f"{number:02d}.png")
    return folder


@pytest.fixture(scope="session")
def built_study(colour_photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of 2 practice pairs and 6 test pairs, two of those for vigilance. Shared: not to be written to."""
    target = tmp_path_factory.mktemp("built") / "study"
    build_study(list_photographs(colour_photographs), [Swapped()], target, SMALL, folder=colour_photographs)
    return target


@pytest.fixture
def study_folder(built_study: Path, tmp_path: Path) -> Path:
    """A copy of built_study: its answers go here."""
    return Path(shutil.copytree(built_study, tmp_path / "study"))


@pytest.fixture
def study(study_folder: Path) -> Study:
    return load_study(study_folder)


class Server:
    """`photochrom study serve` as a process; `address` ends in /."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._command = [*SERVE, str(folder), "--port", "0", *options]
        self.process = self._start()
        self.address = self._address()

    def _start(self) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.Popen(self._command, stderr=subprocess.PIPE, text=True, env=environment)

    def _address(self) -> str:
        assert self.process.stderr is not None
        said = []
        for line in self.process.stderr:
            said.append(line)
            if match := re.search(r"http://[\w.:\[\]]+/", line):
                return match[0]
        raise AssertionError("".join(said))

    def kill_and_start_again(self) -> None:
        """kill -9, and a new one at the same address."""
        self.process.kill()
        self.process.wait()
        self.close_pipe()
        self._command[self._command.index("--port") + 1] = self.address.rstrip("/").rpartition(":")[2]
        self.process = self._start()
        self._address()

    def close_pipe(self) -> None:
        if self.process.stderr is not None:
            self.process.stderr.close()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.close_pipe()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """serve(folder, *options): a Server, stopped at the test's end."""
    servers: list[Server] = []

    def start(folder: Path, *options: str) -> Server:
        servers.append(Server(folder, *options))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def postgresql() -> Iterator[str]:
    """The URL of an empty database of a PostgreSQL of its own, reached by a socket in its folder. Without one the tests
    are skipped, except where `make` has to have installed it."""
    debian = [str(folder) for folder in Path("/usr/lib/postgresql").glob("*/bin")]  # not on Debian's PATH
    initdb = shutil.which("initdb", path=os.pathsep.join([os.environ["PATH"], *debian]))
    if initdb is None:
        if os.environ.get("CI"):
            pytest.fail("no PostgreSQL here; expected `make` to have installed it")
        pytest.skip("no PostgreSQL here; on Debian: apt-get install postgresql")
    user = "postgres" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    with tempfile.TemporaryDirectory() as folder:  # of a short name, as sockets need, and open to that user
        if user:
            shutil.chown(folder, user)

        def run(command: str, *arguments: str) -> None:
            program = Path(initdb).resolve().with_name(command)
            subprocess.run([program, *arguments], user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL)

        run("initdb", "--pgdata=data", "--username=photochrom", "--auth=trust", "--no-sync")
        options = f"-k {folder} -c listen_addresses= -c fsync=off"
        run("pg_ctl", "start", "--pgdata=data", "--wait", "--log=log", f"--options={options}")
        yield f"postgresql://photochrom@/postgres?host={folder}"
        run("pg_ctl", "stop", "--pgdata=data", "--wait", "--mode=immediate")

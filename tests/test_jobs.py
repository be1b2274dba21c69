"""What becomes of one job does not touch the others: defects, races, memory."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from photochrom.atomic_file import refuse_existing
from photochrom.cli.progress import Reporter
from photochrom.colorizer import Colorizer
from photochrom.jobs import Settings, Status, colour, examine
from photochrom.plan import Job


@pytest.fixture
def job(tmp_path: Path, cat: NDArray[np.uint8]) -> Job:
    Image.fromarray(cat).resize((64, 48)).save(tmp_path / "a.jpg")
    return Job(str(tmp_path / "a.jpg"), str(tmp_path / "a.color.jpg"), "same")


@pytest.mark.parametrize("kind", [RuntimeError, RecursionError, TypeError, StopIteration])
def test_a_defect_is_one_failed_line(
    kind: type[Exception],
    job: Job,
    colorizer: Colorizer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    def broken(*args: object, **options: object) -> None:
        raise kind("went wrong")

    monkeypatch.setattr(Colorizer, "colorize_file", broken)
    outcome = colour(job, colorizer, Settings())
    assert outcome.status is Status.FAILED
    assert f"unexpected: {kind.__name__}: went wrong; please report" in str(outcome.error)
    for debug in (False, True):
        Reporter(total=1, as_json=True, quiet=True, debug=debug).report(outcome)
        said = capsys.readouterr()
        assert json.loads(said.out)["error"] == outcome.error
        assert ("Traceback" in said.err) is debug


def test_no_memory_and_an_interruption(job: Job, colorizer: Colorizer, monkeypatch: pytest.MonkeyPatch) -> None:
    def raising(error: BaseException) -> None:
        def broken(*args: object, **options: object) -> None:
            raise error

        monkeypatch.setattr(Colorizer, "colorize_file", broken)

    raising(MemoryError())
    assert "memory did not suffice" in str(colour(job, colorizer, Settings()).error)
    raising(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        colour(job, colorizer, Settings())


@pytest.mark.parametrize("skip", [True, False])
def test_another_process_is_quicker(
    skip: bool, job: Job, colorizer: Colorizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(target: Path, overwrite: bool) -> None:
        refuse_existing(target, overwrite)
        target.write_bytes(b"theirs")

    monkeypatch.setattr("photochrom.atomic_file.refuse_existing", late)
    outcome = colour(job, colorizer, Settings(skip_existing=skip))
    assert outcome.status is (Status.SKIPPED if skip else Status.FAILED)
    assert Path(job.output).read_bytes() == b"theirs"


def test_a_dry_run_refuses_what_the_format_cannot_hold(tmp_path: Path) -> None:
    Image.new("L", (17_000, 2)).save(tmp_path / "wide.png")
    wide = Job(str(tmp_path / "wide.png"), str(tmp_path / "wide.webp"), "webp")
    assert "more than webp holds" in str(examine(wide, Settings(), 10**9).error)
    fits = Job(str(tmp_path / "wide.png"), str(tmp_path / "wide.jpg"), "jpg")
    assert examine(fits, Settings(), 10**9).status is Status.PLANNED


def test_times_and_permissions_follow_the_source(job: Job, colorizer: Colorizer) -> None:
    source, target = Path(job.name), Path(job.output)
    source.chmod(0o600)
    os.utime(source, ns=(10**18, 10**18))
    assert colour(job, colorizer, Settings(keep_times=True)).status is Status.DONE
    assert target.stat().st_mtime_ns == 10**18
    assert stat.S_IMODE(target.stat().st_mode) == 0o600

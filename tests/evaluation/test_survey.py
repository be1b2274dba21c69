from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from photochrom.ab_bins import nearest_bins
from photochrom.errors import DataError
from photochrom.evaluation import survey as module
from photochrom.evaluation.photographs import list_photographs, read_crop
from photochrom.evaluation.survey import Source, survey


def sources(folder: Path) -> list[Source]:
    return [Source(path.name, path) for path in list_photographs(folder)]


def silent(what: str, done: int, total: int) -> None:
    pass


@pytest.fixture
def mixed(photographs: Path, tmp_path: Path) -> Path:
    """Two colour photographs, a grey one, one saved in three equal channels as JPEG, and a torn one."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    for name in ("chelsea.png", "coffee.png"):
        shutil.copy(photographs / name, folder / name)
    grey = Image.open(photographs / "rocket.png").convert("L")
    grey.save(folder / "grey.png")
    grey.convert("RGB").save(folder / "three-channels.jpg")
    (folder / "torn.png").write_bytes((photographs / "rocket.png").read_bytes()[:2000])
    return folder


def test_grey_and_unreadable_photographs_are_left_out_and_named(mixed: Path, tmp_path: Path) -> None:
    found = survey(sources(mixed), tmp_path / "cache", silent)
    assert [source.name for source in found.kept] == ["chelsea.png", "coffee.png"]
    assert list(found.grey) == ["grey.png", "three-channels.jpg"]
    assert "grey already (no |a| or |b| above 5)" in found.grey["grey.png"]
    assert list(found.unreadable) == ["torn.png"]
    assert "expected a whole photograph" in found.unreadable["torn.png"]


def test_bins_and_cells_by_brute_force(mixed: Path, tmp_path: Path) -> None:
    found = survey(sources(mixed), tmp_path / "cache", silent)
    crops = [read_crop(mixed / name, 256) for name in ("chelsea.png", "coffee.png")]
    truth = np.concatenate([crop.ab[::4, ::4].reshape(-1, 2) for crop in crops])
    counts = np.bincount(nearest_bins(truth, 1)[0][:, 0], minlength=313)
    np.testing.assert_array_equal(found.bins, counts)
    there = counts > 0
    np.testing.assert_allclose(found.weights[there], counts.sum() / counts[there])
    assert not found.weights[~there].any()
    assert found.cells.sum() == len(truth)


def test_second_look_reads_nothing(mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = survey(sources(mixed), tmp_path / "cache", silent)

    def refuse(*arguments: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(module, "read_crop", refuse)
    again = survey(sources(mixed), tmp_path / "cache", silent)
    assert [s.name for s in again.kept] == [s.name for s in first.kept]
    assert again.grey == first.grey and again.unreadable == first.unreadable
    np.testing.assert_array_equal(again.bins, first.bins)
    os.utime(mixed / "coffee.png", ns=(1, 1))  # written to since
    with pytest.raises(AssertionError, match="read again"):
        survey(sources(mixed), tmp_path / "cache", silent)


def test_nothing_to_judge(mixed: Path, tmp_path: Path) -> None:
    grey_only = [source for source in sources(mixed) if source.name in ("grey.png", "torn.png")]
    with pytest.raises(DataError, match=r"none of the 2 .*1 are grey already, 1 cannot be read; torn\.png"):
        survey(grey_only, tmp_path / "cache", silent)

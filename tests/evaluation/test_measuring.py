from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from photochrom.errors import ModelError
from photochrom.evaluation import measuring
from photochrom.evaluation.measuring import Measured, Seen, measure
from photochrom.evaluation.photographs import Photograph, list_photographs
from photochrom.evaluation.rows import Row
from photochrom.evaluation.survey import Source
from photochrom.evaluation.systems import System


class Tint:
    """One colour; fails on the photographs named."""

    kind = "model"
    note = ""

    def __init__(self, name: str, a: float, fails: Sequence[str] = ()) -> None:
        self.name = name
        self.fingerprint = f"{name} {a}"
        self.fails = fails
        self._a = a

    def ab(self, photograph: Photograph) -> np.ndarray:
        if photograph.name in self.fails:
            raise RuntimeError(f"cannot run on {photograph.name}\nand more")
        return np.full((*photograph.rgb.shape[:2], 2), (self._a, 0), np.float32)


class Means:
    """The mean of a, and of the whole picture's height; a pooled count."""

    name = "means"
    pooled: tuple[str, ...] = ("count",)

    def __init__(self, view: Literal["crop", "whole"] = "crop", ignored: Sequence[str] = ()) -> None:
        self.view: Literal["crop", "whole"] = view
        self.key: list[object] = [1]
        self.ignored = ignored
        self.calls: list[str] = []

    def wants(self, name: str) -> bool:
        return name not in self.ignored

    def rows(self, system: System, seen: Sequence[Seen]) -> list[Row]:
        self.calls += [source.name for source, _, _ in seen]
        return [{"a": ab[..., 0].mean(), "height": p.rgb.shape[0], "count": np.ones(2)} for _, p, ab in seen]


@pytest.fixture
def sources(photographs: Path, monkeypatch: pytest.MonkeyPatch) -> list[Source]:
    monkeypatch.setattr(measuring, "BLOCK", 4)  # six photographs: a whole block and a part of one
    monkeypatch.setattr(measuring, "GROUP", 3)
    return [Source(path.name, path) for path in list_photographs(photographs)]


def run(sources: list[Source], system: Tint, means: Means, cache: Path) -> Measured:
    return measure(sources, [(system, means)], cache, lambda *_: None)


def test_rows_in_the_order_of_the_photographs(sources: list[Source], tmp_path: Path) -> None:
    rows = run(sources, Tint("red", 9), Means("whole"), tmp_path).rows("red", "means")
    np.testing.assert_allclose(rows["a"], [9] * 6)
    assert rows["height"].tolist() == [source.fresh().whole.rgb.shape[0] for source in sources]
    assert rows["count"].tolist() == [6, 6]


def test_only_what_is_new_is_measured(sources: list[Source], tmp_path: Path) -> None:
    first = Means()
    run(sources, Tint("red", 9), first, tmp_path)
    assert len(first.calls) == 6
    again, other = Means(), Means()
    rows = measure(sources, [(Tint("red", 9), again), (Tint("blue", -9), other)], tmp_path, lambda *_: None)
    assert (len(again.calls), len(other.calls)) == (0, 6)
    np.testing.assert_allclose(rows.rows("red", "means")["a"], [9] * 6)
    changed = Means()
    run(sources, Tint("red", 8), changed, tmp_path)  # another model of the same name
    assert len(changed.calls) == 6


def test_an_interrupted_run_goes_on(sources: list[Source], tmp_path: Path) -> None:
    class Interrupted(Means):
        def rows(self, system: System, seen: Sequence[Seen]) -> list[Row]:
            if len(self.calls) == 4:  # the first block is done
                raise KeyboardInterrupt
            return super().rows(system, seen)

    with pytest.raises(KeyboardInterrupt):
        run(sources, Tint("red", 9), Interrupted(), tmp_path)
    rest = Means()
    assert run(sources, Tint("red", 9), rest, tmp_path).rows("red", "means")["a"].shape == (6,)
    assert rest.calls == [source.name for source in sources[4:]]


def test_a_model_that_fails_on_some_photographs(sources: list[Source], tmp_path: Path) -> None:
    bad = [sources[1].path.name, *(source.path.name for source in sources[4:])]  # one, and a whole block
    found = run(sources, Tint("red", 9, bad), Means(), tmp_path)
    assert found.failed["red"] == {name: f"cannot run on {name}" for name in bad}
    np.testing.assert_allclose(found.rows("red", "means")["a"], [9, 0, 9, 9, 0, 0])
    assert found.rows("red", "means")["count"].tolist() == [3, 3]
    repaired = Means()
    rows = run(sources, Tint("red", 9), repaired, tmp_path).rows("red", "means")  # failures are tried again
    assert len(repaired.calls) == 6
    np.testing.assert_allclose(rows["a"], [9] * 6)


def test_a_model_that_fails_on_all(sources: list[Source], tmp_path: Path) -> None:
    broken = Tint("red", 9, [source.path.name for source in sources])
    with pytest.raises(ModelError, match=r"red: failed on each of the 6 photographs; astronaut\.png: cannot run"):
        run(sources, broken, Means(), tmp_path)


def test_photographs_that_a_measure_does_not_want(sources: list[Source], tmp_path: Path) -> None:
    means = Means(ignored=[sources[0].name])
    assert run(sources, Tint("red", 9), means, tmp_path).rows("red", "means")["a"].tolist() == [0, 9, 9, 9, 9, 9]
    assert sources[0].name not in means.calls

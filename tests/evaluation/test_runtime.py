"""The measuring itself: turns are taken, medians are medians."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from photochrom.evaluation import runtime


def test_calls_take_turns_and_slow_ones_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 0.0
    made: list[str] = []

    def call(name: str, seconds: float) -> None:
        nonlocal clock
        clock += seconds
        made.append(name)

    monkeypatch.setattr(runtime.time, "perf_counter", lambda: clock)
    medians = runtime.interleaved({"quick": lambda: call("quick", 0.01), "slow": lambda: call("slow", 1.0)}, 18)
    assert medians["quick"] == (pytest.approx(0.01), 18)
    assert medians["slow"] == (pytest.approx(1.0), 9)
    assert "".join(name[0] for name in made[4:]) == "qqqqs" * 9  # two untimed and two timed a turn


def test_median_is_not_the_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 0.0
    durations = iter([5.0, 1.0, 1.0, 2.0, 90.0])  # two untimed, then three

    def call() -> None:
        nonlocal clock
        clock += next(durations)

    monkeypatch.setattr(runtime.time, "perf_counter", lambda: clock)
    assert runtime.interleaved({"x": call}, 3) == {"x": (2.0, 3)}


def test_the_photograph_is_one(tmp_path: Path) -> None:
    runtime.write_photograph(tmp_path / "x.jpg")
    image = Image.open(tmp_path / "x.jpg")
    assert (image.size, image.mode) == ((512, 512), "L")
    low, high = image.convert("L").getextrema()
    assert low < 80 and high > 180

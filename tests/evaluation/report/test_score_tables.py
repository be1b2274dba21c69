from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photochrom.colorizer import load
from photochrom.evaluation.baselines import Grey, Truth
from photochrom.evaluation.report.score_tables import MISSING, Cell, Table, cell, listed, number, tables
from photochrom.evaluation.results import Evaluation, Interval
from photochrom.evaluation.systems import ModelSystem

from ..example import evaluate


@pytest.fixture(scope="module")
def evaluation(photographs: Path, warm_model: Path) -> Evaluation:
    return evaluate(photographs, ["coffee.png"], [Grey(), Truth(), ModelSystem("warm", load(warm_model, threads=1))])


def column(table: Table, title: str) -> dict[str, Cell]:
    index = [each.title for each in table.columns].index(title)
    return {name: cells[index] for name, cells in table.rows}


@given(st.floats(-1e6, 1e6), st.integers(0, 3))
def test_numbers_read_back(value: float, digits: int) -> None:
    text = number(value, digits)
    assert "-" not in text
    back = float(text.replace("−", "-").replace("\u202f", ""))
    assert abs(back - value) <= 0.5 * 10**-digits + 1e-9 * abs(value)
    assert not (back == 0 and text.startswith("−"))


def test_numbers_of_note() -> None:
    assert number(-0.04) == "0.0" and number(-1.25, 2) == "−1.25" and number(1234567, 0) == "1\u202f234\u202f567"
    assert number(math.nan) == number(math.inf) == MISSING


def test_cells() -> None:
    assert cell(Interval(12.34, -1, 20)) == Cell("12.3", "−1.0 … 20.0")
    assert cell(Interval(12.34, math.nan, math.nan)) == Cell("12.3")  # a share that some resampled set has no gap for
    assert cell(Interval(math.nan, math.nan, math.nan)) == cell(None) == Cell(MISSING)
    assert cell(2.0, 1, "4 threads") == Cell("2.0", "4 threads")


def test_every_figure_is_in_a_table(evaluation: Evaluation) -> None:
    near, vivid, seen, costs = tables(evaluation)
    truth, warm = evaluation.systems[1].colour, evaluation.systems[2]
    assert column(near, "AuC")["truth"].text == "100.0"
    assert column(near, "RMSE")["warm"].text == number(warm.colour.rmse_ab.value)
    assert column(near, "gain@1")["warm"].text == number(warm.colour.gain_at_1.value)
    assert column(near, "at scale")["warm"].text == "1.1"
    assert column(vivid, "originals")["grey"].text == number(truth.original_colourfulness.value)
    assert column(seen, "top-5")["warm"].text == "95.0"
    assert column(seen, "fooled the machine")["warm"].text == "22.0"
    assert column(costs, "parameters")["warm"].text == "1.83"
    assert column(costs, "time a photograph")["warm"] == Cell("14.2", "1 thread")


def test_every_missing_figure_has_its_reason(evaluation: Evaluation) -> None:
    for table in tables(evaluation):
        empty = any(each.text == MISSING for _, cells in table.rows for each in cells)
        assert not empty or table.missing
    _, _, seen, costs = tables(evaluation)
    assert column(seen, "won back, top-1")["warm"].text == MISSING
    assert any("no gap" in why for why in seen.missing)
    assert any("5,000" in why for why in seen.missing)  # the Frechet distance
    assert column(costs, "file")["truth"].text == MISSING


def test_gain_at_1_is_no_yardstick_for_truth(evaluation: Evaluation) -> None:
    near = tables(evaluation)[0]
    gain, scale = column(near, "gain@1"), column(near, "at scale")
    assert gain["truth"] == scale["truth"] == scale["grey"] == Cell(MISSING)
    assert gain["grey"].text == "0.0" and column(near, "gain over grey")["truth"].text != MISSING
    assert near.missing[0].startswith("gain@1 of truth: ") and near.missing[1].startswith("at scale of grey: ")
    model = replace(evaluation.systems[1], kind="model")  # a model may be called truth
    near = tables(replace(evaluation, systems=[model]))[0]
    assert column(near, "gain@1")["truth"].text != MISSING and not near.missing


@pytest.mark.parametrize(
    ("labelled", "said"), [(1, "1 labelled photograph:"), (99, "99 labelled photographs:"), (100, "")]
)
def test_few_labelled_photographs_are_a_first_impression(evaluation: Evaluation, labelled: int, said: str) -> None:
    near, vivid, seen, _ = tables(replace(evaluation, labelled=labelled))
    assert (said in seen.caution) and bool(seen.caution) == bool(said)
    assert near.caution == vivid.caution == ""


def test_what_nobody_measured(evaluation: Evaluation) -> None:
    bare = [replace(system, semantic=None, judge=None, cost=None) for system in evaluation.systems]
    note = "The machine judge is not reported: it tells random from real with an error of 31%."
    _, _, seen = tables(replace(evaluation, systems=bare, judge_note=note))
    assert seen.columns == () and seen.caution == "" and note.rstrip(".") in seen.missing
    assert any("labels" in why for why in seen.missing)
    far = replace(bare[2], frechet=12.345)
    _, _, seen = tables(replace(evaluation, systems=[*bare[:2], far]))
    assert column(seen, "Fréchet distance") == {"grey": Cell("–"), "truth": Cell("–"), "warm": Cell("12.35")}
    assert not any("5,000" in why for why in seen.missing)


def test_the_ends_of_the_scale_are_rows(evaluation: Evaluation) -> None:
    warm = evaluation.systems[2]
    assert warm.semantic is not None
    ends = {"grey": warm.semantic, "truth": replace(warm.semantic, top_1=Interval(91, 90, 92))}
    _, _, seen, _ = tables(replace(evaluation, systems=[warm], ends=ends))
    assert [name for name, _ in seen.rows] == ["grey", "truth", "warm"]
    assert column(seen, "top-1")["truth"] == Cell("91.0", "90.0 … 92.0")
    assert column(seen, "fooled the machine")["truth"].text == MISSING
    assert any("only classified" in why for why in seen.missing)


def test_listed() -> None:
    reasons = {f"{i}.jpg": "grey already" for i in range(5)} | {"x.jpg": "cut off"}
    assert listed(reasons, 2) == "5 grey already: 0.jpg, 1.jpg, …; 1 cut off: x.jpg"
    assert listed({}) == ""
    assert (
        listed({"a.jpg": "cut off\nlibrary: call 1", "b.jpg": "cut off\nlibrary: call 2"}) == "2 cut off: a.jpg, b.jpg"
    )
    assert listed({"a.jpg": ""}) == "1 : a.jpg"

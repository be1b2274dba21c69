from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from photochrom.color import rgb_to_lab
from photochrom.evaluation.baselines import Grey
from photochrom.evaluation.judges.semantic import merged, semantic_row, semantic_scores
from photochrom.evaluation.photographs import list_photographs, read_whole
from photochrom.evaluation.rows import Rows, stacked


def rows(log_probabilities: list[float], ranks: list[int] | None = None) -> Rows:
    found = stacked(
        [
            {"log_probability": value, "rank": float(rank), "known": 1.0}
            for value, rank in zip(log_probabilities, ranks or [0] * len(log_probabilities), strict=True)
        ],
        (),
    )
    assert found is not None
    return found


GREY = rows([-1.55, -1.54, -1.53, -1.52], [0, 1, 6, 3])
TRUTH = rows([-0.55, -0.54, -0.53, -0.52], [0, 0, 0, 4])


def test_row_of_one_photograph() -> None:
    answer = np.log([0.1, 0.5, 0.15, 0.2, 0.05])
    assert semantic_row(answer, 1) == {"log_probability": np.log(0.5), "rank": 0, "known": 1}
    assert semantic_row(answer, 0)["rank"] == 3
    assert semantic_row(np.zeros(5), 4)["rank"] == 0  # a tie is no loss


def test_share_of_the_gap() -> None:
    quarter = rows([-1.30, -1.29, -1.28, -1.27])
    scores = semantic_scores(quarter, GREY, TRUTH)
    assert scores.share.value == pytest.approx(25)
    assert (scores.share.low, scores.share.high) == pytest.approx((25, 25))  # paired: no photograph differs
    assert scores.log_probability.value == pytest.approx(-1.285)
    assert semantic_scores(TRUTH, GREY, TRUTH).share.value == pytest.approx(100)
    assert semantic_scores(GREY, GREY, TRUTH).share.value == 0
    assert scores.photographs == 4


def test_top_1_and_top_5_by_hand() -> None:
    scores = semantic_scores(rows([-1, -1, -1, -1], [0, 4, 5, 9]), GREY, TRUTH)
    assert (scores.top_1.value, scores.top_5.value) == (25, 50)
    assert semantic_scores(GREY, GREY, TRUTH).top_1.value == 25
    assert semantic_scores(TRUTH, GREY, TRUTH).top_1.value == 75
    assert scores.top_1_share.value == 0  # as many as in grey
    two = semantic_scores(rows([-1, -1, -1, -1], [0, 0, 5, 9]), GREY, TRUTH)
    assert two.top_1_share.value == pytest.approx(50)


def test_misleading_colours_have_a_negative_share() -> None:
    wrong = rows([-2.1, -1.9, -2.2, -1.8])
    scores = semantic_scores(wrong, GREY, TRUTH, seed=1)
    assert scores.share.high < 0
    assert scores.share.low < scores.share.value < scores.share.high
    assert scores.share == semantic_scores(wrong, GREY, TRUTH, seed=1).share


def test_no_gap_has_no_share() -> None:
    scores = semantic_scores(GREY, GREY, GREY)
    for share in (scores.share, scores.top_1_share):
        assert np.isnan([share.value, share.low, share.high]).all()


def test_photographs_without_a_label_or_colours_count_nowhere() -> None:
    system, grey, truth = ({name: values.copy() for name, values in each.items()} for each in (TRUTH, GREY, TRUTH))
    system["log_probability"][1] = 0
    system["known"][1] = 0  # the system failed there
    scores = semantic_scores(system, grey, truth)
    assert scores.photographs == 3
    assert scores.share.value == pytest.approx(100)


def test_merged_keeps_lightness(photographs: Path) -> None:
    photograph = read_whole(list_photographs(photographs)[0])
    ab = np.full((*photograph.rgb.shape[:2], 2), (15, -25), np.float32)
    for colours in (ab, np.zeros_like(ab)):
        change = rgb_to_lab(merged(photograph, colours) / 255)[..., 0] - photograph.lightness
        assert np.quantile(np.abs(change), 0.99) < 1
    grey = merged(photograph, Grey().ab(photograph))
    assert (grey == grey[..., :1]).all()
    assert np.abs(merged(photograph, photograph.ab).astype(int) - photograph.rgb).mean() < 1

"""Average precision against scikit-learn (exact), cases worked out by hand, and a loop over VOC's definition."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from photochrom.features.voc.average_precision import AveragePrecision, average_precision, mean_average_precision


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("values", [1000, 7], ids=["distinct", "ties"])
def test_exact_is_scikit_learn_s(seed, values):
    random = np.random.default_rng(seed)
    right = random.random(200) < 0.2
    scores = random.integers(0, values, 200) / values + 0.3 * right * (values > 100)
    assert np.isclose(average_precision(scores, right).exact, average_precision_score(right, scores))


def by_definition(scores, right, positives):
    """VOC 2007's and VOC 2010's, from every threshold's recall and precision."""
    points = []
    for threshold in sorted(set(scores), reverse=True):
        taken = scores >= threshold
        points.append((int((right & taken).sum()), float((right & taken).sum() / taken.sum())))
    eleven = 0.0
    for tenth in range(11):
        eleven += max((p for hits, p in points if hits * 10 >= tenth * positives), default=0.0) / 11
    area = 0.0
    for hit in range(1, positives + 1):
        area += max((p for hits, p in points if hits >= hit), default=0.0) / positives
    return eleven, area


@pytest.mark.parametrize("seed", range(5))
def test_the_others_are_their_definitions(seed):
    random = np.random.default_rng(seed)
    right = random.random(60) < 0.3
    scores = random.integers(0, 40, 60) / 40
    positives = int(right.sum()) + 4  # four are never found
    found = average_precision(scores, right, positives)
    assert np.allclose((found.eleven_point, found.interpolated), by_definition(scores, right, positives))


def test_by_hand():
    # Right, wrong, right, wrong; one more is never found: recall 1/3, 1/3, 2/3, 2/3, precision 1, 1/2, 2/3, 1/2.
    found = average_precision(np.array([4.0, 3, 2, 1]), np.array([True, False, True, False]), 3)
    assert np.isclose(found.exact, (1 + 2 / 3) / 3)
    assert np.isclose(found.interpolated, (1 + 2 / 3) / 3)
    # Recalls 0, 0.1, 0.2, 0.3 have 1; 0.4, 0.5, 0.6 have 2/3; the rest 0.
    assert np.isclose(found.eleven_point, (4 + 3 * 2 / 3) / 11)


def test_a_recall_of_exactly_a_tenth_counts():
    """3 of 10: 0.3 as a fraction is less than 0.1 * 3 as one."""
    scores = np.arange(10.0, 0, -1)
    right = np.array([True] * 3 + [False] * 7)
    assert np.isclose(average_precision(scores, right, 10).eleven_point, 4 / 11)


def test_the_best_and_the_worst():
    right = np.array([True, True, False, False])
    assert average_precision(np.array([4.0, 3, 2, 1]), right) == AveragePrecision(1.0, 1.0, 1.0)
    worst = average_precision(np.array([1.0, 2, 3, 4]), right)
    assert np.isclose(worst.exact, (1 / 3 + 2 / 4) / 2)
    assert np.isclose(worst.interpolated, 0.5)


def test_equal_scores_do_not_depend_on_the_order():
    right = np.array([True, False, False, True])
    same = np.ones(4)
    assert average_precision(same, right) == average_precision(same, right[::-1])
    assert average_precision(same, right).exact == 0.5


def test_nothing_to_find_and_nothing_found():
    assert np.isnan(average_precision(np.array([1.0]), np.array([False])).exact)
    assert average_precision(np.zeros(0), np.zeros(0, bool), 5) == AveragePrecision(0.0, 0.0, 0.0)


def test_the_mean_is_over_classes_with_something_to_find():
    nothing = average_precision(np.array([1.0]), np.array([False]))
    mean = mean_average_precision([AveragePrecision(0.2, 0.4, 0.6), nothing, AveragePrecision(0.4, 0.6, 1.0)])
    assert np.allclose((mean.eleven_point, mean.interpolated, mean.exact), (0.3, 0.5, 0.8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(mean_average_precision([nothing]).exact)

"""Mean intersection over union against scikit-learn's table and Jaccard score, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, jaccard_score

from photochrom.features.voc.mean_iou import Confusion


@pytest.mark.parametrize("classes", [2, 21])
def test_equals_scikit_learn(random, classes):
    truth = random.integers(0, classes, (3, 20, 30)).astype(np.uint8)
    found = np.where(random.random(truth.shape) < 0.6, truth, random.integers(0, classes, truth.shape))
    truth[random.random(truth.shape) < 0.1] = 255
    confusion = Confusion(classes)
    for one, other in zip(truth, found, strict=True):
        confusion.add(one, other)
    known = truth != 255
    assert (confusion.table == confusion_matrix(truth[known], found[known], labels=range(classes))).all()
    wanted = jaccard_score(truth[known], found[known], average=None, labels=range(classes))
    assert np.allclose(confusion.per_class(), wanted)
    assert np.isclose(confusion.mean(), wanted.mean())
    assert np.isclose(confusion.accuracy(), (truth[known] == found[known]).mean())


def test_by_hand():
    confusion = Confusion(4)
    confusion.add(np.array([[0, 0, 1, 1, 255]]), np.array([[0, 1, 1, 2, 3]]))
    # 0: 1 of 2; 1: 1 of 3; 2: found once, never there: 0 of 1; 3: only on void: no class of this set.
    assert np.allclose(confusion.per_class()[:3], [1 / 2, 1 / 3, 0])
    assert np.isnan(confusion.per_class()[3])
    assert np.isclose(confusion.mean(), (1 / 2 + 1 / 3) / 3)
    assert np.isclose(confusion.accuracy(), 2 / 4)


def test_pixels_of_all_photographs_are_pooled():
    """The mean of two photographs' own figures would be (1 + 0) / 2."""
    confusion = Confusion(2)
    confusion.add(np.zeros((1, 9), np.uint8), np.zeros((1, 9), np.uint8))
    confusion.add(np.zeros((1, 1), np.uint8), np.ones((1, 1), np.uint8))
    assert np.allclose(confusion.per_class(), [0.9, 0])


def test_nothing():
    assert np.isnan(Confusion(3).mean())
    assert np.isnan(Confusion(3).accuracy())

"""Which detections are right, as VOC's development kit decides it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .average_precision import AveragePrecision, average_precision
from .boxes import Floats, overlaps

LEAST_OVERLAP = 0.5  # intersection over union of a detection that is right


@dataclass(frozen=True)
class Found:
    """The detections of one class in one photograph: boxes [n, 4], scores [n]."""

    boxes: Floats
    scores: Floats


@dataclass(frozen=True)
class Truth:
    """The objects of one class in one photograph: boxes [n, 4], difficult [n]."""

    boxes: Floats
    difficult: NDArray[np.bool_]


def judge(found: Found, truth: Truth, least: float = LEAST_OVERLAP) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(right [n], counted [n]) of the detections of one photograph.

    Best first, each is held against the object that it overlaps most. With an overlap of at least `least` it is right,
    but a second one of the same object is wrong; one of a difficult object does not count at all. The rest is wrong.
    """
    number = len(found.scores)
    right, counted = np.zeros(number, bool), np.ones(number, bool)
    if not number or not len(truth.boxes):
        return right, counted
    table = overlaps(found.boxes, truth.boxes)
    taken = np.zeros(len(truth.boxes), bool)
    for i in np.argsort(-found.scores, kind="stable"):
        best = int(np.argmax(table[i]))
        if table[i, best] < least:
            continue
        if truth.difficult[best]:
            counted[i] = False
        elif not taken[best]:
            right[i] = taken[best] = True
    return right, counted


def class_precision(found: list[Found], truth: list[Truth], least: float = LEAST_OVERLAP) -> AveragePrecision:
    """The average precision of one class over all photographs (both lists in the same order); NaN where all its objects
    are difficult or there is none."""
    scores: list[Floats] = [np.zeros(0)]
    right: list[NDArray[np.bool_]] = [np.zeros(0, bool)]
    for one, objects in zip(found, truth, strict=True):
        hits, counted = judge(one, objects, least)
        scores.append(one.scores[counted])
        right.append(hits[counted])
    positives = sum(int((~objects.difficult).sum()) for objects in truth)
    return average_precision(np.concatenate(scores), np.concatenate(right), positives)

"""Detections held against objects: cases whose answer is worked out by hand, by VOC's rules."""

from __future__ import annotations

import numpy as np

from photochrom.features.voc.detection_scores import Found, Truth, class_precision, judge

BOX, APART = [0.0, 0, 10, 10], [50.0, 50, 60, 60]
HALF = [0.0, 0, 10, 20]  # overlaps BOX by exactly a half


def found(*pairs):
    return Found(np.array([b for b, _ in pairs]).reshape(-1, 4), np.array([s for _, s in pairs], float))


def truth(*pairs):
    return Truth(np.array([b for b, _ in pairs], float).reshape(-1, 4), np.array([d for _, d in pairs], bool))


def test_an_overlap_of_exactly_a_half_is_right():
    right, counted = judge(found((HALF, 1)), truth((BOX, False)))
    assert (right.tolist(), counted.tolist()) == ([True], [True])
    right, _ = judge(found(([0, 0, 10, 20.1], 1)), truth((BOX, False)))
    assert right.tolist() == [False]


def test_a_second_detection_of_an_object_is_wrong_whatever_its_place():
    right, counted = judge(found((HALF, 0.3), (BOX, 0.9), (HALF, 0.5)), truth((BOX, False)))
    assert right.tolist() == [False, True, False]
    assert counted.all()


def test_the_surer_one_takes_the_object_even_if_it_fits_worse():
    right, _ = judge(found((BOX, 0.3), (HALF, 0.9)), truth((BOX, False)))
    assert right.tolist() == [False, True]


def test_a_detection_is_held_against_its_best_object_only():
    """It does not turn to the second best when the best is taken."""
    objects = truth((BOX, False), ([0, 0, 10, 12], False))
    right, _ = judge(found((BOX, 0.9), (BOX, 0.8)), objects)
    assert right.tolist() == [True, False]


def test_difficult_objects_count_neither_way():
    right, counted = judge(found((BOX, 0.9), (BOX, 0.8), (APART, 0.7)), truth((BOX, True)))
    assert right.tolist() == [False, False, False]
    assert counted.tolist() == [False, False, True]


def test_a_photograph_without_objects_makes_every_detection_wrong():
    right, counted = judge(found((BOX, 0.9)), truth())
    assert (right.tolist(), counted.tolist()) == ([False], [True])


def test_average_precision_over_photographs_by_hand():
    results = [found((BOX, 0.9), (APART, 0.6)), found((BOX, 0.8)), found((APART, 0.7))]
    objects = [truth((BOX, False)), truth((BOX, True)), truth((APART, False), (BOX, False))]
    # Counted, best first: right 0.9, right 0.7, wrong 0.6; 3 to find: recall 1/3, 2/3.
    result = class_precision(results, objects)
    assert np.isclose(result.exact, 2 / 3)
    assert np.isclose(result.eleven_point, 7 / 11)


def test_a_class_with_difficult_objects_alone_has_no_score():
    assert np.isnan(class_precision([found((BOX, 0.9))], [truth((BOX, True))]).exact)


def test_a_class_that_is_never_found_scores_nothing():
    assert class_precision([found()], [truth((BOX, False))]).exact == 0

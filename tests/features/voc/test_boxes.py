"""Boxes against VOC's own counting of pixels and loops over pixels."""

from __future__ import annotations

import numpy as np

from photochrom.features.voc import boxes as geometry


def pixels(box, side=40):
    """The pixels of a box with whole corners, as a picture."""
    picture = np.zeros((side, side), bool)
    picture[int(box[1]) : int(box[3]), int(box[0]) : int(box[2])] = True
    return picture


def random_boxes(random, number, side=40):
    corners = np.sort(random.integers(0, side + 1, (number, 2, 2)), axis=1)
    corners[:, 1] += corners[:, 0] == corners[:, 1]
    return corners.reshape(number, 4).astype(float)


def test_overlaps_are_those_of_pixels(random):
    first, second = random_boxes(random, 12, 39), random_boxes(random, 9, 39)
    table = geometry.overlaps(first, second)
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            both, either = (pixels(a) & pixels(b)).sum(), (pixels(a) | pixels(b)).sum()
            assert np.isclose(table[i, j], both / either)


def test_overlaps_are_voc_s(random):
    """VOC's kit adds 1 to widths, for its corners are both inside."""
    voc = random.uniform(1, 30, (6, 4))
    voc[:, 2:] += voc[:, :2]
    ours = voc - [1, 1, 0, 0]
    table = geometry.overlaps(ours[:3], ours[3:])
    for i, a in enumerate(voc[:3]):
        for j, b in enumerate(voc[3:]):
            width = min(a[2], b[2]) - max(a[0], b[0]) + 1
            height = min(a[3], b[3]) - max(a[1], b[1]) + 1
            common = max(width, 0) * max(height, 0)
            areas = [(c[2] - c[0] + 1) * (c[3] - c[1] + 1) for c in (a, b)]
            assert np.isclose(table[i, j], common / (sum(areas) - common))


def test_overlaps_of_nothing():
    empty, box = np.zeros((0, 4)), np.array([[0.0, 0, 5, 5]])
    assert geometry.overlaps(empty, box).shape == (0, 1)
    assert geometry.overlaps(np.array([[3.0, 3, 3, 9]]), box).tolist() == [[0.0]]


def test_codes_by_hand():
    # Centre from (10, 10) to (15, 8), from 20 x 10 to 40 x 5 pixels.
    found = geometry.encode(np.array([[0.0, 5, 20, 15]]), np.array([[-5.0, 5.5, 35, 10.5]]))
    wanted = np.array([5 / 20 / 0.1, -2 / 10 / 0.1, np.log(2) / 0.2, np.log(0.5) / 0.2])
    assert np.allclose(found, wanted)


def test_decoding_undoes_encoding(random):
    proposals, objects = random_boxes(random, 50), random_boxes(random, 50)
    assert np.allclose(geometry.decode(proposals, geometry.encode(proposals, objects)), objects)


def test_wild_codes_stay_finite():
    assert np.isfinite(geometry.decode(np.array([[0.0, 0, 10, 10]]), np.full((1, 4), 1e4))).all()


def test_mirrored_and_cut():
    boxes = np.array([[2.0, 3, 10, 50], [-4, -4, 30, 10]])
    assert geometry.mirror(boxes, 30).tolist() == [[20, 3, 28, 50], [0, -4, 34, 10]]
    assert geometry.clip(boxes, 20, 40).tolist() == [[2, 3, 10, 40], [0, 0, 20, 10]]


def test_suppression_equals_a_loop(random):
    for _ in range(5):
        boxes, scores = random_boxes(random, 60), random.choice(np.linspace(0, 1, 20), 60)
        left = sorted(range(60), key=lambda i: (-scores[i], i))
        wanted = []
        while left:
            best = left.pop(0)
            wanted.append(best)
            left = [i for i in left if geometry.overlaps(boxes[[best]], boxes[[i]])[0, 0] <= 0.3]
        assert geometry.suppress(boxes, scores, 0.3).tolist() == wanted


def test_suppression_by_hand():
    # The first and the second share 9 of 11 columns, the third lies apart.
    boxes = np.array([[0.0, 0, 10, 10], [1, 0, 11, 10], [30, 0, 40, 10]])
    assert geometry.suppress(boxes, np.array([0.5, 0.9, 0.1]), 0.3).tolist() == [1, 2]
    assert geometry.suppress(boxes, np.array([0.5, 0.9, 0.1]), 0.9).tolist() == [1, 0, 2]
    assert geometry.suppress(np.zeros((0, 4)), np.zeros(0), 0.3).tolist() == []

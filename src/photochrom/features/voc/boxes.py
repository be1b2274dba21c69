"""Boxes: overlap, the regression from a proposal to its object, non-maximum suppression. NumPy.

A box is (left, top, right, bottom) in pixels, between the pixels: its width is right - left. VOC's own count pixels
from 1 and include the last: (xmin, ymin, xmax, ymax) is (xmin - 1, ymin - 1, xmax, ymax) here, and areas and overlaps
agree.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
# Fast R-CNN's: the regression's targets are divided by these, so that they vary about as much as the scores do.
SPREADS = np.array([0.1, 0.1, 0.2, 0.2])
LARGEST = np.log(1000 / 16)  # of the logarithms of sizes: exp of an untrained layer's output may be anything


def overlaps(first: Floats, second: Floats) -> Floats:
    """Intersection over union of each of [n, 4] with each of [m, 4]: [n, m] in 0..1; 0 for boxes without area."""
    corner = np.maximum(first[:, None, :2], second[None, :, :2])
    opposite = np.minimum(first[:, None, 2:], second[None, :, 2:])
    common = np.prod(np.clip(opposite - corner, 0, None), axis=2)
    union = areas(first)[:, None] + areas(second)[None] - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)


def areas(boxes: Floats) -> Floats:
    """[n] of [n, 4], in square pixels; 0 where a box is turned inside out."""
    result: Floats = np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None), axis=1)
    return result


def encode(proposals: Floats, objects: Floats) -> Floats:
    """[n, 4]: what the regression should say to get from each proposal to its object (R-CNN's parametrisation): the
    shift of the centre in widths and heights, and the logarithms of how much wider and higher; divided by SPREADS."""
    size, wanted = (boxes[:, 2:] - boxes[:, :2] for boxes in (proposals, objects))
    shift = (objects[:, :2] + wanted / 2 - proposals[:, :2] - size / 2) / size
    return np.concatenate([shift, np.log(wanted / size)], axis=1) / SPREADS


def decode(proposals: Floats, codes: Floats) -> Floats:
    """The inverse of encode: boxes [n, 4] of proposals [n, 4] and codes [n, 4]."""
    values = codes * SPREADS
    size = proposals[:, 2:] - proposals[:, :2]
    centre = proposals[:, :2] + size / 2 + values[:, :2] * size
    half = size * np.exp(np.minimum(values[:, 2:], LARGEST)) / 2
    return np.concatenate([centre - half, centre + half], axis=1)


def clip(boxes: Floats, width: float, height: float) -> Floats:
    """Boxes [n, 4] cut at the edges of a photograph."""
    return np.stack([np.clip(boxes[:, i], 0, (width, height)[i % 2]) for i in range(4)], axis=1)


def mirror(boxes: Floats, width: float) -> Floats:
    """Boxes [n, 4] in the mirrored photograph."""
    return np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1)


def suppress(boxes: Floats, scores: Floats, threshold: float) -> NDArray[np.intp]:
    """Non-maximum suppression: indices of the boxes that stay, best first. A box goes that overlaps a better one which
    stays by more than `threshold`. Equal scores: the earlier box first."""
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(order):
        best, order = int(order[0]), order[1:]
        kept.append(best)
        order = order[overlaps(boxes[[best]], boxes[order])[0] <= threshold]
    return np.array(kept, np.intp)

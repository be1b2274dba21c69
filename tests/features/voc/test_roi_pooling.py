"""RoI pooling against a loop over bins that follows Fast R-CNN's definition step by step."""

from __future__ import annotations

import math

import pytest
import torch

from photochrom.features.voc.roi_pooling import roi_pool

pytestmark = pytest.mark.usefixtures("one_thread")


def by_loops(features, boxes, photograph, stride, size):
    pooled = torch.zeros(len(boxes), features.shape[1], size, size, dtype=features.dtype)
    height, width = features.shape[2:]
    for r, (box, which) in enumerate(zip(boxes.tolist(), photograph.tolist(), strict=True)):
        first = [math.floor(value / stride + 0.5) for value in box[:2]]
        last = [math.floor((value - 1) / stride + 0.5) for value in box[2:]]
        across, down = (max(b - a + 1, 1) for a, b in zip(first, last, strict=True))
        for i in range(size):
            for j in range(size):
                rows = range(math.floor(i * down / size) + first[1], math.ceil((i + 1) * down / size) + first[1])
                columns = range(math.floor(j * across / size) + first[0], math.ceil((j + 1) * across / size) + first[0])
                cells = [features[which, :, y, x] for y in rows for x in columns if 0 <= y < height and 0 <= x < width]
                if cells:
                    pooled[r, :, i, j] = torch.stack(cells).max(0).values
    return pooled


def example(seed=0, boxes=24):
    random = torch.Generator().manual_seed(seed)
    features = torch.randn(2, 5, 13, 17, generator=random, dtype=torch.float64)
    corners = torch.rand(boxes, 2, 2, generator=random, dtype=torch.float64) * torch.tensor([17 * 8.0, 13 * 8.0])
    return features, torch.cat([corners.amin(1), corners.amax(1)], 1), torch.arange(boxes) % 2


@pytest.mark.parametrize("size", [1, 3, 6])
def test_equals_a_loop(size):
    features, boxes, photograph = example()
    found = roi_pool(features, boxes, photograph, 8, size)
    assert torch.allclose(found, by_loops(features, boxes, photograph, 8, size), rtol=0, atol=1e-6)


def test_boxes_over_the_edge_of_no_size_and_beyond():
    features, _, _ = example()
    boxes = torch.tensor(
        [
            [-20.0, -30, 40, 50],
            [100, 60, 180, 140],
            [40, 40, 40, 40],  # no pixel: one cell
            [50, 50, 41, 41],  # inside out: one cell
            [0, 0, 136, 104],  # all of it
            [300, 300, 400, 400],  # nothing
            [-90, 10, -40, 60],
        ],
        dtype=torch.float64,
    )
    photograph = torch.zeros(len(boxes), dtype=torch.long)
    found = roi_pool(features, boxes, photograph, 8, 6)
    assert torch.allclose(found, by_loops(features, boxes, photograph, 8, 6), rtol=0, atol=1e-6)
    assert (found[5] == 0).all()
    assert torch.isfinite(found).all()


def test_by_hand():
    features = torch.arange(16.0).view(1, 1, 4, 4)
    # Cells 1..2 across and 0..3 down at a stride of 10.
    found = roi_pool(features, torch.tensor([[10.0, 0, 25, 35]]), torch.zeros(1, dtype=torch.long), 10, 2)
    assert found[0, 0].tolist() == [[5, 6], [13, 14]]


def test_gradients_equal_the_loops():
    features, boxes, photograph = example(1)
    boxes = torch.cat([boxes, torch.tensor([[-30.0, -30, 60, 200], [300, 300, 310, 310]], dtype=torch.float64)])
    photograph = torch.cat([photograph, torch.tensor([0, 1])])
    weights = torch.randn(len(boxes), 5, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    grads = []
    for pool in (roi_pool, by_loops):
        own = features.clone().requires_grad_(True)
        (pool(own, boxes, photograph, 8, 6) * weights).sum().backward()
        grads.append(own.grad)
    assert torch.allclose(*grads, rtol=0, atol=1e-6)
    assert grads[0].abs().sum() > 0


def test_no_boxes():
    features, _, _ = example()
    assert roi_pool(features, torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), 8, 6).shape == (0, 5, 6, 6)

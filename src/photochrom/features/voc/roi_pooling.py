"""RoI pooling as in Fast R-CNN (Girshick 2015, section 2.1), in plain PyTorch: each box of a photograph becomes a small
grid of features, each cell the maximum over its bin."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional


def roi_pool(features: Tensor, boxes: Tensor, photograph: Tensor, stride: float, size: int) -> Tensor:
    """Features [N, C, H, W] in boxes [R, 4] to [R, C, size, size].

    boxes: (left, top, right, bottom) between the pixels (see boxes.py), in pixels of the network's input; photograph:
    [R], which of the N each box lies in; stride: pixels of the input for a cell of the features.

    Fast R-CNN's rounding: the first and last pixel are brought to the nearest cell, both included; at least one cell;
    bin i of a side of n cells is floor(i n / size) .. ceil((i + 1) n / size), so that bins may share cells. What lies
    beyond the map counts for nothing; a bin all of whose cells do is 0.
    """
    corners = torch.stack([boxes[:, 0], boxes[:, 1], boxes[:, 2] - 1, boxes[:, 3] - 1], 1) / stride
    cells = torch.floor(corners + 0.5).long()  # C's round(), not PyTorch's, which takes halves to the even number
    return cast(Tensor, _RoiPool.apply(features, cells, photograph, size))


class _RoiPool(torch.autograd.Function):
    """With a backward of its own: autograd's would write a whole map of zeros for every box."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, cells: Tensor, photograph: Tensor, size: int) -> Tensor:
        """cells: [R, 4] long: first column and row, last column and row."""
        channels, height, width = features.shape[1:]
        pooled = features.new_zeros(len(cells), channels, size, size)
        places = torch.zeros(
            pooled.shape, dtype=torch.long, device=features.device
        )  # of the maxima, within their boxes
        left, top, right, bottom = _border(cells, height, width)
        bordered = functional.pad(features.detach(), (left, right, top, bottom), value=-torch.inf)
        cells = torch.cat([cells[:, :2], torch.maximum(cells[:, :2], cells[:, 2:]) + 1], 1)
        shift = torch.tensor([left, top] * 2, device=cells.device)
        for i, ((x0, y0, x1, y1), which) in enumerate(zip((cells + shift).tolist(), photograph.tolist(), strict=True)):
            pooled[i], places[i] = functional.adaptive_max_pool2d(
                bordered[which, :, y0:y1, x0:x1], size, return_indices=True
            )
        empty = pooled == -torch.inf
        if ctx.needs_input_grad[0]:
            first_x, first_y, end_x, _ = cells.view(-1, 4, 1, 1, 1).unbind(1)
            across = end_x - first_x
            channel = torch.arange(channels, device=features.device)[:, None, None]
            plane = photograph.view(-1, 1, 1, 1) * channels + channel
            rows = torch.div(places, across, rounding_mode="floor") + first_y
            flat = (plane * height + rows) * width + places % across + first_x
            ctx.save_for_backward(flat.masked_fill_(empty, 0), empty)
            ctx.shape = features.shape
        return pooled.masked_fill_(empty, 0)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        flat, empty = ctx.saved_tensors
        values = grads[0].masked_fill(empty, 0)
        back = values.new_zeros(ctx.shape).flatten()
        return back.index_add_(0, flat.flatten(), values.flatten()).view(ctx.shape), None, None, None


def _border(cells: Tensor, height: int, width: int) -> tuple[int, int, int, int]:
    """How far the boxes reach beyond the map: left, top, right, bottom, in cells."""
    if not len(cells):
        return 0, 0, 0, 0
    lowest, highest = cells.amin(0).tolist(), cells.amax(0).tolist()
    x, y = max(highest[0], highest[2]), max(highest[1], highest[3])  # a box of no width has its first cell last
    return max(0, -lowest[0]), max(0, -lowest[1]), max(0, x + 1 - width), max(0, y + 1 - height)

"""Filters computed from a layer's input: spherical k-means on whitened patches (Coates and Ng 2012), PCA, or Gaussian.

The first half of the data-dependent initialisation (initialisation.py), which scales them.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Kind = Literal["kmeans", "pca", "gaussian"]
Layer = nn.Conv2d | nn.ConvTranspose2d | nn.Linear

PATCHES = 4096  # at most, or PATCHES_PER_FILTER for each filter if that is more
PATCHES_PER_FILTER = 8
WHITENING = 1e-2  # regularisation of the whitening, as a share of the mean variance, so that noise is not amplified
LEAST_STD = 1e-4  # smaller variances are rounding errors of a constant and are not amplified
KMEANS_ROUNDS = 10


def set_filters(layer: Layer, x: Tensor, kind: Kind, random: torch.Generator) -> None:
    """New weights, each filter of norm 1, for inputs like x; the bias becomes 0."""
    if layer.bias is not None:
        layer.bias.zero_()
    groups = 1 if isinstance(layer, nn.Linear) else layer.groups
    outputs = layer.weight.shape[1] if isinstance(layer, nn.ConvTranspose2d) else layer.weight.shape[0] // groups
    patches = _patches(layer, x, max(PATCHES, PATCHES_PER_FILTER * outputs), random)
    found = torch.stack([_filters(patches[:, group], outputs, kind, random) for group in range(groups)])
    if isinstance(layer, nn.ConvTranspose2d):
        # [groups, outputs, inputs, taps, taps] -> the same filter, mirrored, for each of the output pixels of a cell.
        found = found.view(groups, outputs, -1, *_taps(layer)).transpose(1, 2).flatten(0, 1)
        for axis, (step, kernel) in enumerate(zip(layer.stride, layer.kernel_size, strict=True), start=2):
            found = found.repeat_interleave(step, dim=axis).flip(axis).narrow(axis, 0, kernel)
    layer.weight.copy_(found.reshape(layer.weight.shape))


def _taps(layer: nn.Conv2d | nn.ConvTranspose2d) -> tuple[int, int]:
    """Rows and columns of the input that one output pixel sees, without gaps."""
    if isinstance(layer, nn.Conv2d):
        return _pair(layer.kernel_size)
    return math.ceil(layer.kernel_size[0] / layer.stride[0]), math.ceil(layer.kernel_size[1] / layer.stride[1])


def _pair(values: tuple[int, ...]) -> tuple[int, int]:
    return values[0], values[1]


def _patches(layer: Layer, x: Tensor, count: int, random: torch.Generator) -> Tensor:
    """Patches of x under `layer`'s kernel at random places: [at most count, groups, values that a filter weighs]."""
    if isinstance(layer, nn.Linear):
        rows = x.flatten(0, -2)
        return rows[torch.randperm(len(rows), generator=random)[:count].to(x.device)][:, None].float()
    taps = _taps(layer)
    stride, dilation, padding = (1, 1), (1, 1), (taps[0] - 1, taps[1] - 1)
    if isinstance(layer, nn.Conv2d):
        stride, dilation = _pair(layer.stride), _pair(layer.dilation)
        if layer.padding == "same":
            padding = (dilation[0] * (taps[0] - 1) // 2, dilation[1] * (taps[1] - 1) // 2)
        else:
            padding = (0, 0) if isinstance(layer.padding, str) else _pair(layer.padding)
    # A layer may do more padding of its own: at least one patch there must be.
    extent = [gap * (kernel - 1) + 1 for gap, kernel in zip(dilation, taps, strict=True)]
    more = [max(0, e - size - 2 * p) for e, size, p in zip(extent, x.shape[2:], padding, strict=True)]
    x = functional.pad(x, (padding[1], padding[1] + more[1], padding[0], padding[0] + more[0]))
    across = [(size - e) // step + 1 for size, e, step in zip(x.shape[2:], extent, stride, strict=True)]
    picked = torch.randperm(len(x) * across[0] * across[1], generator=random)[:count].to(x.device)
    image, top, left = picked // (across[0] * across[1]), picked // across[1] % across[0], picked % across[1]
    rows, columns = (
        (start * step)[:, None] + torch.arange(kernel, device=x.device) * gap
        for start, step, kernel, gap in zip((top, left), stride, taps, dilation, strict=True)
    )
    patches = x[image[:, None, None], :, rows[:, :, None], columns[:, None, :]]  # [count, rows, columns, channels]
    return patches.permute(0, 3, 1, 2).float().reshape(len(picked), layer.groups, -1)


def _filters(patches: Tensor, count: int, kind: Kind, random: torch.Generator) -> Tensor:
    """`count` filters of norm 1, [count, values], for patches [n, values].

    Where PCA or k-means give fewer, the rest are Gaussian in the whitened space; where there are fewer patches than
    filters, or all patches are the same (black photographs), all are plain Gaussian.
    """
    centred = patches - patches.mean(0)
    if kind == "gaussian" or len(patches) <= count or centred.square().mean() < LEAST_STD**2:
        return functional.normalize(torch.randn(count, patches.shape[1], generator=random)).to(patches.device)
    directions, variances = _principal(centred, min(count, patches.shape[1]), random)
    whitening = directions / (variances + WHITENING * variances.mean()).sqrt()  # [values, rank]
    if kind == "pca":
        found = torch.eye(whitening.shape[1], device=patches.device)
    else:
        found = _spherical_kmeans(functional.normalize(centred @ whitening), min(count, len(patches) // 2), random)
    rest = torch.randn(count - len(found), whitening.shape[1], generator=random).to(patches.device)
    return functional.normalize(torch.cat([found, rest]) @ whitening.T)


def _principal(centred: Tensor, rank: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """The `rank` strongest principal directions [values, rank] of rows of mean 0, strongest first, and the variances
    along them [rank]. By subspace iteration: a few hundred of several thousand are wanted."""
    basis = torch.randn(centred.shape[1], rank, generator=random).to(centred.device)
    for _ in range(3):
        basis = torch.linalg.qr(centred.T @ (centred @ basis)).Q
    projected = centred @ basis
    variances, turn = torch.linalg.eigh(projected.T @ projected / len(centred))
    return basis @ turn.flip(1), variances.flip(0).clamp(min=0)


def _spherical_kmeans(points: Tensor, count: int, random: torch.Generator) -> Tensor:
    """`count` centres of norm 1 for points [n, d] of norm 1, by cosine; a centre that no point is near starts again."""

    def some(number: int) -> Tensor:
        return points[torch.randperm(len(points), generator=random)[:number].to(points.device)]

    centres = some(count)
    for _ in range(KMEANS_ROUNDS):
        nearest = (points @ centres.T).argmax(1)
        members = functional.one_hot(nearest, count).to(points)  # [n, count]; a product, for it sums in a fixed order
        centres = functional.normalize(members.T @ points)
        empty = centres.norm(dim=1) < 0.5
        centres[empty] = some(int(empty.sum()))
    return centres

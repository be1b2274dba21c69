"""The network's input for a training crop: lightness after the augmentations of contrast, sharpness, noise and age.

Shared by training (task.py) and by the precomputation of encoder features (encoding.py).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..recipe import Data
from .ageing import aged, random_faults
from .sharpness import varied

Streams = Callable[[int], list[np.random.Generator]]
"""One generator per crop and purpose, so that enabling one augmentation does not change the others."""

CROPPING, BENDING, PLACES, AGEING, VARYING = range(5)  # purposes, also those of others; PLACES: of the loss


def shown(rgb: Tensor, lightness: Tensor, data: Data, streams: Streams) -> Tensor:
    """CIE L [N, 1, H, W], 0..100, of the crops rgb [N, 3, H, W] uint8, whose own L is `lightness`."""
    if data.gamma:
        lightness = _bent(lightness, data.gamma, streams(BENDING))
    if data.sharpness or data.noise:
        lightness = varied(lightness, data.sharpness, data.noise, streams(VARYING))
    return _aged(rgb, lightness, data.aged, streams(AGEING)) if data.aged else lightness


def _bent(lightness: Tensor, gamma: float, random: list[np.random.Generator]) -> Tensor:
    """Random contrast, as prints and scans vary: L to the power of exp(+-gamma)."""
    bends = [each.uniform(-1, 1) * gamma for each in random]
    power = torch.tensor(bends, dtype=torch.float32, device=lightness.device).exp()[:, None, None, None]
    return 100 * (lightness / 100).clamp(0, 1) ** power


def _aged(rgb: Tensor, lightness: Tensor, share: float, random: list[np.random.Generator]) -> Tensor:
    """Replace the lightness of a random share of the crops by that of a simulated old print."""
    old = [i for i, each in enumerate(random) if each.random() < share]
    if not old:
        return lightness
    chosen = [random[i] for i in old]
    return lightness.index_copy(
        0, torch.tensor(old, device=rgb.device), aged(rgb[old], [random_faults(each) for each in chosen], chosen)
    )

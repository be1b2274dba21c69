"""Lightness sharper or softer, and noisier, at random: as other cameras, scanners and resizings would have left it.

Photographs of one collection were made small in one way, and a network learns to read colours out of the finest detail
that this left. Elsewhere that detail says something else. benchmarks/fine_detail.py measures how far a model does so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .ageing import blurred, grain

RADIUS = (0.5, 2.0)  # pixels: standard deviations of the blur that is added or taken away
GRAIN = 1.2  # pixels: the coarsest noise's blur


def varied(lightness: Tensor, sharpness: float, noise: float, random: Sequence[np.random.Generator]) -> Tensor:
    """CIE L [N, 1, H, W] of lightness [N, 1, H, W], 0..100.

    sharpness: of the detail finer than a random radius, a share up to this is taken away or added again (1: from
    blurred to sharpened); noise: largest standard deviation, in L. random: a generator for each photograph.
    """
    count, _, height, width = lightness.shape
    low, high = (math.log(radius) for radius in RADIUS)
    # One row a photograph, all drawn before the noise.
    drawn = torch.tensor(np.array([each.random(4) for each in random]), dtype=torch.float32, device=lightness.device)
    amount, radius, deviation, coarseness = drawn.T
    fine = lightness - blurred(lightness, (low + (high - low) * radius).exp())
    result = lightness + fine * (sharpness * (2 * amount - 1)).reshape(count, 1, 1, 1)
    if noise:
        grains = grain(random, height, width, GRAIN * coarseness)
        result = result + grains * (noise * deviation**2).reshape(count, 1, 1, 1)  # mostly little
    return result.clamp(0, 100)

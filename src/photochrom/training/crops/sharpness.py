"""Random sharpening, blur and noise of the lightness, to cover other cameras, scanners and resampling filters.

All photographs of one data set were usually downsampled with the same filter, and a network learns to predict colours
from the fine detail that it leaves. This does not generalise; benchmarks/fine_detail.py measures the effect on a model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .ageing import blurred, grain

RADIUS = (0.5, 2.0)  # pixels: standard deviations of the blur that selects the detail
GRAIN = 1.2  # pixels: the coarsest noise's blur


def varied(lightness: Tensor, sharpness: float, noise: float, random: Sequence[np.random.Generator]) -> Tensor:
    """CIE L [N, 1, H, W] of lightness [N, 1, H, W], 0..100.

    sharpness: the detail finer than a random radius is weakened or amplified by up to this share (1: from blurred
    to sharpened); noise: largest standard deviation, in L. random: a generator for each photograph.
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

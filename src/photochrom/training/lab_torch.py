"""CIE Lab <-> sRGB for batches of training photographs, in torch (any device). The numpy side is photochrom.color."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..color import DELTA, RGB_TO_XYZ, WHITE, XYZ_TO_RGB, srgb_to_linear


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """uint8 sRGB [N, 3, H, W] to float32 Lab [N, 3, H, W] (L 0..100; a, b about -110..110)."""
    if rgb.dtype != torch.uint8:
        raise TypeError(f"rgb is {rgb.dtype}; expected uint8 codes")
    # A look-up is far cheaper than a power on a CPU, and exact for 8-bit codes.
    return _linear_to_lab(linear_codes(rgb.device)[rgb.long()])


def rgb_float_to_lab(rgb: Tensor) -> Tensor:
    """sRGB floats 0..1 [N, 3, H, W] to Lab, differentiably."""
    curved = ((rgb.clamp(min=0) + 0.055) / 1.055) ** 2.4
    return _linear_to_lab(torch.where(rgb > 0.04045, curved, rgb / 12.92))


def lab_to_rgb(lab: Tensor) -> Tensor:
    """Lab [N, 3, H, W] to sRGB floats 0..1, clipped to the gamut."""
    lightness, a, b = lab.float().unbind(1)
    y = (lightness + 16) / 116
    f = torch.stack([y + a / 500, y, y - b / 200], 1)
    xyz = torch.where(f > DELTA, f**3, 3 * DELTA**2 * (f - 4 / 29))
    linear = functional.conv2d(xyz, _matrix(XYZ_TO_RGB * WHITE, lab.device)).clamp(0, 1)
    curved = 1.055 * linear.clamp(min=1e-6) ** (1 / 2.4) - 0.055
    return torch.where(linear > 0.0031308, curved, linear * 12.92)


def light_to_lightness(light: Tensor) -> Tensor:
    """CIE L of luminance 0..1, any shape."""
    return 116 * _f(light) - 16


def lightness_to_grey(lightness: Tensor) -> Tensor:
    """sRGB code, 0..1, of the grey of a lightness [N, 1, H, W]."""
    return lab_to_rgb(torch.cat([lightness, torch.zeros_like(lightness).expand(-1, 2, -1, -1)], 1))[:, :1]


def linear_codes(device: torch.device) -> Tensor:
    """[256] linear light, 0..1, of the 8-bit sRGB codes."""
    codes = srgb_to_linear(torch.arange(256).numpy() / 255)
    return torch.from_numpy(codes).float().to(device)


def _f(share: Tensor) -> Tensor:
    """CIE's f of a tristimulus value as a share of white's."""
    return torch.where(share > DELTA**3, share.clamp(min=1e-9) ** (1 / 3), share / (3 * DELTA**2) + 4 / 29)


def _linear_to_lab(linear: Tensor) -> Tensor:
    xyz = functional.conv2d(linear, _matrix(RGB_TO_XYZ / WHITE[:, None], linear.device))
    x, y, z = _f(xyz).unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


def _matrix(values: np.ndarray, device: torch.device) -> Tensor:
    """A 3 x 3 matrix as the weights of a 1 x 1 convolution."""
    return torch.tensor(values, dtype=torch.float32, device=device)[:, :, None, None]

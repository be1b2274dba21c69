"""sRGB to CIE Lab for batches of training photographs, in torch (any device). The numpy side is photochrom.color."""

from __future__ import annotations

import torch
from torch import Tensor

from ..color import DELTA, RGB_TO_XYZ, WHITE, srgb_to_linear


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """uint8 sRGB [N, 3, H, W] to float32 Lab [N, 3, H, W] (L 0..100; a, b about -110..110)."""
    if rgb.dtype != torch.uint8:
        raise TypeError(f"rgb is {rgb.dtype}; expected uint8 codes")
    # A look-up is far cheaper than a power on a CPU, and exact for 8-bit codes.
    linear = _linear_codes(rgb.device)[rgb.long()]
    matrix = torch.tensor(RGB_TO_XYZ / WHITE[:, None], dtype=torch.float32, device=rgb.device)
    xyz = torch.einsum("ij,njhw->nihw", matrix, linear)
    f = torch.where(xyz > DELTA**3, xyz.clamp(min=1e-9) ** (1 / 3), xyz / (3 * DELTA**2) + 4 / 29)
    x, y, z = f.unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


def _linear_codes(device: torch.device) -> Tensor:
    codes = srgb_to_linear(torch.arange(256).numpy() / 255)
    return torch.from_numpy(codes).float().to(device)

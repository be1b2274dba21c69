"""CIE Lab <-> sRGB (D65, 2 degree observer), numpy.

Lab: L 0..100; a, b about -110..110. sRGB: floats 0..1, gamma-encoded (IEC 61966-2-1). The last axis holds the channels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.floating]

WHITE = np.array([0.95047, 1.0, 1.08883])  # XYZ of D65
RGB_TO_XYZ = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
)  # ITU-R BT.709 primaries
XYZ_TO_RGB = np.linalg.inv(RGB_TO_XYZ)
DELTA = 6 / 29  # where the CIE cube root turns into a line


def _as_float(values: ArrayLike) -> Floats:
    array = np.asarray(values)
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)


def srgb_to_linear(rgb: ArrayLike) -> Floats:
    """Undo the sRGB gamma: 0..1 to linear light 0..1, any shape."""
    c = _as_float(rgb)
    return np.where(c > 0.04045, ((np.maximum(c, 0) + 0.055) / 1.055) ** 2.4, c / 12.92).astype(c.dtype)


def linear_to_srgb(rgb: ArrayLike) -> Floats:
    """Apply the sRGB gamma: linear light 0..1 to 0..1, any shape."""
    c = _as_float(rgb)
    return np.where(c > 0.0031308, 1.055 * np.maximum(c, 0) ** (1 / 2.4) - 0.055, c * 12.92).astype(c.dtype)


def luminance_to_lightness(y: ArrayLike) -> Floats:
    """CIE luminance Y 0..1 to L 0..100."""
    return 116 * cie_f(y) - 16


def cie_f(t: ArrayLike) -> Floats:
    """CIE's f: the cube root above (6/29)^3, a line below."""
    x = _as_float(t)
    return np.where(x > DELTA**3, np.cbrt(np.maximum(x, 0)), x / (3 * DELTA**2) + 4 / 29).astype(x.dtype)


def cie_f_inverse(f: ArrayLike) -> Floats:
    """Inverse of cie_f."""
    x = _as_float(f)
    return np.where(x > DELTA, x**3, 3 * DELTA**2 * (x - 4 / 29)).astype(x.dtype)


def rgb_to_lab(rgb: ArrayLike) -> Floats:
    """sRGB floats [..., 3] in 0..1 to Lab [..., 3]."""
    c = _as_float(rgb)
    xyz = srgb_to_linear(c) @ (RGB_TO_XYZ.T / WHITE).astype(c.dtype)
    f = cie_f(xyz)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def lab_to_linear(lab: ArrayLike) -> Floats:
    """Lab [..., 3] to linear sRGB [..., 3], not clipped: values outside 0..1 are colours outside sRGB."""
    c = _as_float(lab)
    fy = (c[..., 0] + 16) / 116
    f = np.stack([fy + c[..., 1] / 500, fy, fy - c[..., 2] / 200], axis=-1)
    return cie_f_inverse(f) @ (XYZ_TO_RGB * WHITE).T.astype(c.dtype)


def keep_in_gamut(linear: ArrayLike) -> Floats:
    """Linear sRGB [..., 3] brought into 0..1 by giving up chroma, never lightness.

    A colour outside moves towards the grey of its own luminance, in linear light, just as far as it must.
    """
    c = _as_float(linear)
    y = np.clip(c @ RGB_TO_XYZ[1].astype(c.dtype), 0, 1)[..., None]
    away = c - y
    with np.errstate(divide="ignore", invalid="ignore"):
        room = np.where(away > 0, (1 - y) / away, np.where(away < 0, -y / away, np.inf))
    return np.clip(y + away * np.minimum(1, room.min(-1, keepdims=True)), 0, 1)


def lab_to_rgb(lab: ArrayLike) -> Floats:
    """Lab [..., 3] to sRGB floats [..., 3] in 0..1; colours outside sRGB give up chroma (see keep_in_gamut)."""
    return linear_to_srgb(keep_in_gamut(lab_to_linear(lab)))

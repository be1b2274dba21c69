"""Small encoded pictures for the report, as bytes that a page can hold inline."""

from __future__ import annotations

import base64

import numpy as np
import pyvips
from numpy.typing import NDArray

SIDE = 192  # pixels: about twice what a page shows, for sharp screens and paper
QUALITY = 75  # of WebP
RING = 9.0  # pixels: radius of a mark on a picture of 256 pixels
_TYPES = {b"RIFF": "image/webp", b"\x89PNG": "image/png", b"<?xm": "image/svg+xml", b"<svg": "image/svg+xml"}


def thumbnail(rgb: NDArray[np.uint8], side: int = SIDE) -> bytes:
    """A photograph uint8 [H, W, 3] as WebP, its long side `side` pixels at most."""
    image = pyvips.Image.new_from_array(np.ascontiguousarray(rgb)).copy(interpretation="srgb")
    small = image.thumbnail_image(side, height=side, size="down")
    data: bytes = small.webpsave_buffer(Q=QUALITY, effort=5, keep="none")
    return data


def marked(rgb: NDArray[np.uint8], row: float, column: float) -> NDArray[np.uint8]:
    """A copy of uint8 [H, W, 3] with a ring around a point (in pixels): white, edged with black to show on anything."""
    height, width = rgb.shape[:2]
    radius = RING * max(height, width) / 256
    away = np.hypot(*np.ogrid[0.5 - row : height - row : 1, 0.5 - column : width - column : 1])
    off = np.abs(away - radius)[..., None]
    black, white = (np.clip(wide * radius / RING - off, 0, 1) for wide in (3.0, 1.8))
    edged = rgb * (1 - black)
    return np.round(edged * (1 - white) + 255 * white).astype(np.uint8)


def small_png(rgb: NDArray[np.uint8]) -> bytes:
    """A drawing uint8 [H, W, 3] as PNG with a palette: few colours, sharp edges."""
    image = pyvips.Image.new_from_array(np.ascontiguousarray(rgb)).copy(interpretation="srgb")
    data: bytes = image.pngsave_buffer(palette=True, Q=90, dither=0, compression=9, keep="none")
    return data


def data_uri(picture: bytes) -> str:
    """WebP, PNG or SVG as a data: address."""
    return f"data:{_TYPES[picture[:4]]};base64,{base64.b64encode(picture).decode('ascii')}"

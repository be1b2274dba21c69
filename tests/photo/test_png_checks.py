"""gAMA and cHRM of a PNG without a profile, against the formulas of the PNG and sRGB standards in floating point."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from skimage.color import xyz2rgb

from photochrom.photo.reading import open_photo

LEVELS = np.arange(256, dtype=np.uint8).reshape(16, 16)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(picture: np.ndarray, *chunks: bytes) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    data = buffer.getvalue()
    return data[:33] + b"".join(chunks) + data[33:]


def gamma(value: float) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", round(value * 100_000)))


def as_srgb(linear: np.ndarray) -> np.ndarray:
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("value", [1.0, 0.5, 1 / 1.8])
@pytest.mark.parametrize("bits", [8, 16])
def test_gamma_is_undone(value: float, bits: int) -> None:
    picture = LEVELS if bits == 8 else LEVELS.astype(np.uint16) * 257
    found = open_photo(png(picture, gamma(value))).array()[..., 0]
    top = 255 if bits == 8 else 65_535
    expected = as_srgb((LEVELS / 255) ** (1 / value)) * top
    assert found.dtype == picture.dtype
    assert np.abs(found - expected).max() <= (0.51 if bits == 8 else 2)


@pytest.mark.parametrize("chunks", [(), (gamma(0.45455),), (gamma(1.0), chunk(b"sRGB", b"\0"))])
def test_srgb_is_left_alone(chunks: tuple[bytes, ...]) -> None:
    assert np.array_equal(open_photo(png(LEVELS, *chunks)).array()[..., 0], LEVELS)


def test_alpha_has_no_gamma() -> None:
    picture = np.stack([LEVELS, LEVELS, LEVELS, LEVELS[::-1]], -1)
    found = open_photo(png(picture, gamma(1.0))).array()
    assert np.array_equal(found[..., 3], LEVELS[::-1])
    assert np.abs(found[..., 0] - as_srgb(LEVELS / 255) * 255).max() <= 0.51


def test_primaries_are_honoured() -> None:
    p3 = (31_270, 32_900, 68_000, 32_000, 26_500, 69_000, 15_000, 6_000)
    to_xyz = np.array([[0.4865709, 0.2656677, 0.1982173], [0.2289746, 0.6917385, 0.0792869], [0, 0.0451134, 1.0439444]])
    colours = np.random.default_rng(5).integers(90, 180, (8, 8, 3)).astype(np.uint8)
    found = open_photo(png(colours, gamma(0.5), chunk(b"cHRM", struct.pack(">8I", *p3)))).array()
    expected = xyz2rgb((colours / 255) ** 2 @ to_xyz.T) * 255
    assert np.abs(found - expected).max() < 1.2


def test_an_animations_frames_are_noted() -> None:
    buffer = io.BytesIO()
    frames = [Image.fromarray(LEVELS), Image.fromarray(LEVELS[::-1].copy()), Image.fromarray(LEVELS.T.copy())]
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:])
    assert open_photo(buffer.getvalue()).notes == ["an animation of 3 frames: only its default image was coloured"]

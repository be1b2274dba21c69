"""Bitmaps of every depth and kind, against Pillow."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from photochrom.errors import TooLargeError, UnreadablePhotoError
from photochrom.photo.reading import open_photo

WIDTH, HEIGHT = 13, 7
RNG = np.random.default_rng(3)


def bmp(depth: int, rows: bytes, compression: int = 0, fields: bytes = b"", palette: bytes = b"", height: int = HEIGHT,
        size: int = 40) -> bytes:  # fmt: skip
    """A bitmap with a header of `size` bytes; `fields` are masks, within the header where it is large enough."""
    if size == 12:
        header = struct.pack("<IHHHH", 12, WIDTH, height, 1, depth)
    else:
        header = struct.pack("<IiiHHIIiiII", size, WIDTH, height, 1, depth, compression, len(rows), 0, 0, 0, 0)
        if size > 40:
            header += fields.ljust(size - 40, b"\0")
            fields = b""
    start = 14 + len(header) + len(fields) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + header + fields + palette + rows


def by_pillow(data: bytes, mode: str = "RGB") -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert(mode))


def random_rows(depth: int) -> bytes:
    return RNG.integers(0, 256, ((WIDTH * depth + 31) // 32 * 4) * HEIGHT, dtype=np.uint8).tobytes()


def palette(count: int, entry: int = 4) -> bytes:
    return RNG.integers(0, 256, (count, entry), dtype=np.uint8).tobytes()


CASES = {
    "1 bit": bmp(1, random_rows(1), palette=palette(2)),
    "4 bits": bmp(4, random_rows(4), palette=palette(16)),
    "8 bits": bmp(8, random_rows(8), palette=palette(256)),
    "8 bits, OS/2": bmp(8, random_rows(8), palette=palette(256, 3), size=12),
    "16 bits, 555": bmp(16, random_rows(16)),
    "16 bits, 565": bmp(16, random_rows(16), 3, struct.pack("<3I", 0xF800, 0x7E0, 0x1F)),
    "24 bits": bmp(24, random_rows(24)),
    "24 bits, top down": bmp(24, random_rows(24), height=-HEIGHT),
    "24 bits, V5": bmp(24, random_rows(24), size=124),
    "32 bits": bmp(32, random_rows(32)),
}


@pytest.mark.parametrize("kind", CASES)
def test_samples_are_pillows(kind: str) -> None:
    found = open_photo(CASES[kind]).array()
    tolerance = 4 if kind.startswith("16") else 0  # Pillow 13 rounds 5 bits down
    expected = by_pillow(CASES[kind]).astype(int)
    assert found.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(found.astype(int) - expected).max() <= tolerance


def test_the_mask_of_a_v4_header_is_transparency() -> None:
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    data = bmp(32, random_rows(32), 3, masks, size=108)
    assert np.array_equal(open_photo(data).array(), by_pillow(data, "RGBA"))


def test_a_grey_bitmap_has_one_band() -> None:
    grey = RNG.integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "BMP")
    assert np.array_equal(open_photo(buffer.getvalue()).array()[..., 0], grey)


@pytest.mark.parametrize("depth", [4, 8])
def test_run_lengths_and_stored_runs(depth: int) -> None:
    runs = b"".join(
        bytes([5, 0x12, 0, 8]) + (bytes([0x34, 0x56, 0x78, 0x9A]) if depth == 4 else bytes(range(8))) + b"\0\0"
        for _ in range(HEIGHT)
    )
    data = bmp(depth, runs + b"\0\1", 2 if depth == 4 else 1, palette=palette(1 << depth))
    assert np.array_equal(open_photo(data).array(), by_pillow(data))


def test_damage_and_size_are_refused() -> None:
    with pytest.raises(UnreadablePhotoError, match="damaged or cut short"):
        open_photo(CASES["24 bits"][:-5]).array()
    with pytest.raises(TooLargeError):
        open_photo(CASES["24 bits"], max_pixels=90)

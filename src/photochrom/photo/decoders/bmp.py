"""Windows and OS/2 bitmaps, which libvips' wheel does not read."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .decoded import Decoded, Metadata, opened

_RGB, _RLE8, _RLE4, _BITFIELDS, _ALPHA_BITFIELDS = 0, 1, 2, 3, 6  # its compressions
_DEFAULT_MASKS = {16: (0x7C00, 0x3E0, 0x1F, 0), 24: (0xFF0000, 0xFF00, 0xFF, 0), 32: (0xFF0000, 0xFF00, 0xFF, 0)}


class Bmp:
    """A bitmap of 1, 4, 8 (palette), 16, 24 or 32 bits, run-length coded or not. Raises as `Decoder`.

    The fourth byte of 32 bits is transparency only where the header says so by a mask.
    """

    def __init__(self, source: Path | bytes) -> None:
        self._source = source
        with opened(source) as file:
            head = file.read(14 + 124 + 1024 + 16)
        self._start, size = struct.unpack_from("<II", head, 10)
        self._compression, colours = _RGB, 0
        if size == 12:
            self.width, height, _, self._depth = struct.unpack_from("<HHHH", head, 18)
        else:
            self.width, height, _, self._depth = struct.unpack_from("<iiHH", head, 18)
            if size >= 40:
                self._compression = struct.unpack_from("<I", head, 30)[0]
                colours = struct.unpack_from("<I", head, 46)[0]
        self._top_down, self.height = height < 0, abs(height)
        self._check()
        self._masks = _DEFAULT_MASKS.get(self._depth, (0, 0, 0, 0))
        fields = 0
        if self._compression in (_BITFIELDS, _ALPHA_BITFIELDS) and self._depth > 8:
            count = 4 if size >= 56 or self._compression == _ALPHA_BITFIELDS else 3
            self._masks = (*struct.unpack_from(f"<{count}I", head, 54), 0)[:4]
            fields = count * 4 if size == 40 else 0
        self._palette = self._read_palette(head, 14 + size + fields, colours, 3 if size == 12 else 4)
        grey = self._depth <= 8 and bool((self._palette == self._palette[:, :1]).all())
        self.bands, self.bits = 1 if grey else 4 if self._masks[3] else 3, 8
        self.notes: list[str] = []
        self.metadata = Metadata()

    def _check(self) -> None:
        depths = {_RGB: (1, 2, 4, 8, 16, 24, 32), _RLE8: (8,), _RLE4: (4,), _BITFIELDS: (16, 32),
                  _ALPHA_BITFIELDS: (16, 32)}.get(self._compression, ())  # fmt: skip
        if self._depth not in depths:
            raise ValueError(f"a bitmap of {self._depth} bits with compression {self._compression}")
        if self.width <= 0 or self.height <= 0:
            raise ValueError(f"impossible size: {self.width} x {self.height}")

    def _read_palette(self, head: bytes, start: int, colours: int, entry: int) -> NDArray[np.uint8]:
        """RGB of every index there may be; black where the file has none."""
        palette = np.zeros((256, 3), np.uint8)
        if self._depth <= 8:
            count = min(colours or 1 << self._depth, 1 << self._depth, max(0, (self._start - start) // entry))
            found = np.frombuffer(head, np.uint8, count * entry, start).reshape(count, entry)
            palette[:count] = found[:, 2::-1]
        return palette

    def decode(self) -> Decoded:
        with opened(self._source) as file:
            file.seek(self._start)
            data = file.read()
        if self._compression in (_RLE8, _RLE4):
            return self._coloured(_run_lengths(data, self.width, self.height, self._compression == _RLE4)[::-1])
        row_bytes = (self.width * self._depth + 31) // 32 * 4
        if len(data) < row_bytes * self.height:
            raise ValueError(f"{len(data)} of {row_bytes * self.height} bytes of pixels are there")
        rows = np.frombuffer(data, np.uint8, row_bytes * self.height).reshape(self.height, row_bytes)
        rows = rows if self._top_down else rows[::-1]
        if self._depth <= 8:
            per_byte = 8 // self._depth
            shifts = np.arange(per_byte - 1, -1, -1, dtype=np.uint8) * self._depth
            indices = (rows[:, :, None] >> shifts & (1 << self._depth) - 1).reshape(self.height, -1)
            return self._coloured(indices[:, : self.width])
        if self._depth == 24:
            return rows[:, : self.width * 3].reshape(self.height, self.width, 3)[..., ::-1]
        words = np.ascontiguousarray(rows).view("<u2" if self._depth == 16 else "<u4")[:, : self.width]
        return np.stack([_field(words, mask) for mask in self._masks[: self.bands]], -1)

    def _coloured(self, indices: NDArray[np.uint8]) -> Decoded:
        return self._palette[:, : self.bands][indices]


def _field(words: np.ndarray, mask: int) -> NDArray[np.uint8]:
    """The bits of a mask, scaled to 0..255."""
    if mask == 0:
        return np.zeros(words.shape, np.uint8)
    shift = (mask & -mask).bit_length() - 1
    top = mask >> shift
    values = (words & words.dtype.type(mask)) >> words.dtype.type(shift)
    return ((values.astype(np.uint64) * 255 + top // 2) // top).astype(np.uint8)


def _run_lengths(data: bytes, width: int, height: int, nibbles: bool) -> NDArray[np.uint8]:
    """Palette indices [height, width] in the file's order, bottom row first; skipped pixels have index 0.

    Raises ValueError where the data end before the picture does.
    """
    indices = np.zeros((height, width), np.uint8)
    x = y = at = 0
    while y < height:
        if at + 2 > len(data):
            raise ValueError(f"the data end in row {y} of {height}")
        count, value = data[at], data[at + 1]
        at += 2
        if count:
            pair = [value >> 4, value & 15] if nibbles else [value, value]
            run = (pair * ((count + 1) // 2))[:count]
        elif value == 0:
            x, y = 0, y + 1
            continue
        elif value == 1:
            break
        elif value == 2:
            if at + 2 > len(data):
                raise ValueError(f"the data end in row {y} of {height}")
            x, y, at = x + data[at], y + data[at + 1], at + 2
            continue
        else:
            size = (value + 1) // 2 if nibbles else value
            stored = data[at : at + size]
            at += size + size % 2
            run = ([n for byte in stored for n in (byte >> 4, byte & 15)] if nibbles else list(stored))[:value]
        room = max(0, width - x)
        indices[y, x : x + len(run)] = run[:room]
        x += len(run)
    return indices

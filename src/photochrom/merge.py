"""Joining predicted colour with a photograph's own lightness at full resolution: the maths, strip by strip, in numpy.

The lightness is kept exactly: a pixel's luminance Y goes from input to output untouched, and colour is added to it in
linear light along directions that have no luminance. With fy = (L + 16) / 116, a and b move X and Z by differences of
cubes (CIE Lab's inverse), so that neither a cube root nor a power is computed per pixel:

    X/Xn - Y = da (3 fy^2 + da (3 fy + da)),  da = a / 500       (Z/Zn likewise with -b / 200)

Where X, Y or Z is below 0.9%, where Lab turns linear, this is an approximation of the chroma, never of the lightness.
A colour outside sRGB moves towards the grey of its own luminance just as far as it must: it gives up chroma, not
lightness.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .color import (
    RGB_TO_XYZ,
    WHITE,
    XYZ_TO_RGB,
    cie_f,
    cie_f_inverse,
    linear_to_srgb,
    luminance_to_lightness,
    srgb_to_linear,
)

Samples = NDArray[Any]  # uint8 or uint16

BLOCK = 65536  # pixels worked on at a time: few calls for the interpreter, buffers that stay in the caches
_RELATIVE = 1e-6  # float32 resolution at the top of the luminance range
_TINY = 1e-3  # and at its bottom, in steps of the tables

# (X/Xn - Y, Z/Zn - Y) -> linear R, G, B; each column has no luminance, so Y stays what it was.
_DIRECTIONS = (XYZ_TO_RGB * WHITE)[:, [0, 2]]


@dataclass(frozen=True)
class AbMap:
    """Colour for one page: `ab` float32 [2, h, w] in CIE units, and how much of the map the page covers.

    cells: (rows, columns) of the map under the page, fractional: the page's height and width on the network's grid
    divided by its stride. The centre of page pixel x lies at map coordinate (x + 0.5) * columns / width - 0.5.
    levels: (low, high) in CIE L that become 0 and 100 in the output; None: the lightness stays as it is.
    """

    ab: NDArray[np.float32]
    cells: tuple[float, float]
    levels: tuple[float, float] | None = None

    @property
    def is_grey(self) -> bool:
        return not self.ab.any()


@dataclass(frozen=True)
class _Tables:
    """Look-ups for one sample depth. Luminance is kept scaled: 0..`scale` instead of 0..1."""

    scale: float
    luminance: NDArray[np.float32]  # grey code -> Y * scale
    channels: NDArray[np.float32]  # [3, codes]: R, G, B code -> its share of Y * scale
    lightness: NDArray[np.float32]  # int(Y * scale) -> 3 fy * scale^(1/3)
    grey_lightness: NDArray[np.float32]  # grey code -> the same
    gamma: Samples  # int(linear * scale) -> sRGB code


@lru_cache(maxsize=2)
def _tables(bits: int) -> _Tables:
    """Tables for 8 or 16 bits, sized so that every grey code comes back as itself."""
    dtype, size = (np.uint8, 1 << 16) if bits == 8 else (np.uint16, 1 << 20)
    top = (1 << bits) - 1
    scale = size - 0.5
    linear = srgb_to_linear(np.arange(top + 1) / top)
    centres = np.minimum((np.arange(size) + 0.5) / scale, 1.0)
    return _Tables(
        scale=scale,
        luminance=(linear * scale).astype(np.float32),
        channels=(RGB_TO_XYZ[1][:, None] * linear * scale).astype(np.float32),
        lightness=(3 * cie_f(centres) * scale ** (1 / 3)).astype(np.float32),
        grey_lightness=(3 * cie_f(linear) * scale ** (1 / 3)).astype(np.float32),
        gamma=np.rint(linear_to_srgb(centres) * top).astype(dtype),
    )


def lightness_of(pixels: Samples) -> NDArray[np.float32]:
    """CIE L 0..100 float32 [H, W] of sRGB samples uint8/uint16 [H, W, 1 or 3]."""
    table = _tables(8 * pixels.dtype.itemsize)
    if pixels.shape[2] == 1:
        y = table.luminance[pixels[:, :, 0]]
    else:
        y = sum(table.channels[c][pixels[:, :, c]] for c in range(3))
    return (116 * cie_f(y / np.float32(table.scale)) - 16).astype(np.float32)


def _positions(length: int, cells: float, available: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """For each of `length` pixels: the map cell before its centre, and the interpolation weight of the next (0..1)."""
    position = np.clip((np.arange(length) + 0.5) * (cells / length) - 0.5, 0, available - 1)
    first = np.minimum(position.astype(np.intp), max(available - 2, 0))
    return first, (position - first).astype(np.float32)


def bilinear(ab: NDArray[np.float32], height: int, width: int, cells: tuple[float, float]) -> NDArray[np.float32]:
    """A map [2, h, w] at the page's size, [2, height, width]; cells: as in AbMap."""
    y, down = _positions(height, cells[0], ab.shape[1])
    x, along = _positions(width, cells[1], ab.shape[2])
    tall = ab[:, y] + (ab[:, np.minimum(y + 1, ab.shape[1] - 1)] - ab[:, y]) * down[:, None]
    return tall[:, :, x] + (tall[:, :, np.minimum(x + 1, ab.shape[2] - 1)] - tall[:, :, x]) * along


def stretched(lightness: NDArray[Any], levels: tuple[float, float]) -> NDArray[Any]:
    """CIE L with levels (low, high) brought to 0 and 100; what lies outside is clipped."""
    low, high = levels
    return np.clip((lightness - low) * (100 / (high - low)), 0, 100)


@lru_cache(maxsize=4)
def _stretched_tables(bits: int, levels: tuple[float, float]) -> tuple[_Tables, NDArray[np.float32]]:
    """The tables with grey codes stretched, and int(Y * scale) -> stretched Y * scale for the codes of RGB."""
    plain = _tables(bits)

    def luminance(y: NDArray[Any]) -> NDArray[Any]:
        return cie_f_inverse((stretched(luminance_to_lightness(y), levels) + 16) / 116)

    centres = np.minimum((np.arange(len(plain.lightness)) + 0.5) / plain.scale, 1.0)
    grey = luminance(plain.luminance.astype(np.float64) / plain.scale)
    tables = replace(
        plain,
        luminance=(grey * plain.scale).astype(np.float32),
        grey_lightness=(3 * cie_f(grey) * plain.scale ** (1 / 3)).astype(np.float32),
    )
    return tables, (luminance(centres) * plain.scale).astype(np.float32)


class PageMerger:
    """Colours strips of one page. Thread-safe: strips can be merged side by side.

    colours: the page's AbMap; saturation scales its ab. height, width: the page's size in pixels; bits: 8 or 16.
    """

    def __init__(self, colours: AbMap, height: int, width: int, bits: int, saturation: float = 1.0) -> None:
        self.height, self.width, self.bits = height, width, bits
        self._table, self._stretch = _tables(bits), None
        if colours.levels is not None:
            self._table, self._stretch = _stretched_tables(bits, colours.levels)
        self._grey = colours.is_grey or saturation == 0
        scale = self._table.scale ** (1 / 3)
        steps = np.array([scale / 500, -scale / 200], np.float32)[:, None, None]
        ab = colours.ab * (steps * np.float32(saturation))
        x, along = _positions(width, colours.cells[1], ab.shape[2])
        x_next = np.minimum(x + 1, ab.shape[2] - 1)
        rows = ab[:, :, x] * (1 - along) + ab[:, :, x_next] * along  # [2, h, width]
        row_steps = np.diff(rows, axis=1, append=rows[:, -1:])
        # Both channels of a map row are contiguous: several times faster to read than two separate planes.
        self._rows = np.ascontiguousarray(rows.transpose(1, 0, 2))  # [h, 2, width]
        self._row_steps = np.ascontiguousarray(row_steps.transpose(1, 0, 2))
        self._y, self._down = _positions(height, colours.cells[0], ab.shape[1])
        self._directions = [(float(m), float(n)) for m, n in _DIRECTIONS]

    def merge(self, top: int, pixels: Samples) -> Samples:
        """Coloured [rows, width, 3] (or 4 with the alpha kept), for the strip that starts at row `top`.

        pixels: [rows, width, bands] uint8/uint16; bands 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha).
        """
        return np.ascontiguousarray(self.planes(top, pixels).transpose(1, 2, 0))

    def planes(self, top: int, pixels: Samples) -> Samples:
        """The same as planes, [3 or 4, rows, width], which is faster to make."""
        rows, width, bands = pixels.shape
        out = np.empty((4 if bands in (2, 4) else 3, rows, width), pixels.dtype)
        if len(out) == 4:
            out[3] = pixels[:, :, -1]
        buffers = _buffers(max(BLOCK, width))
        first = 0
        while first < rows:
            last = self._block_end(top, first, rows)
            self._merge_block(top + first, pixels[first:last], out[:3, first:last], buffers)
            first = last
        return out

    def _block_end(self, top: int, first: int, rows: int) -> int:
        """The end of the block of rows from `first` that lie between the same two rows of the map."""
        last = min(rows, first + max(1, BLOCK // self.width))
        cell = self._y[top + first]
        return first + int(np.searchsorted(self._y[top + first : top + last], cell, side="right"))

    def _merge_block(self, top: int, pixels: Samples, out: Samples, buffers: _Buffers) -> None:
        rows, width = pixels.shape[:2]
        n = rows * width
        table = self._table
        index, luminance = buffers.index[:n], buffers.luminance[:n]
        if pixels.shape[2] <= 2:
            np.copyto(index.reshape(rows, width), pixels[:, :, 0])
            np.take(table.luminance, index, out=luminance, mode="clip")
            np.take(table.grey_lightness, index, out=buffers.slope[:n], mode="clip")
        else:
            share = buffers.square[:n]
            for c in range(3):
                np.copyto(index.reshape(rows, width), pixels[:, :, c])
                np.take(table.channels[c], index, out=share if c else luminance, mode="clip")
                if c:
                    luminance += share
            self._look_up(luminance, index, buffers)
            if self._stretch is not None:
                np.take(self._stretch, index, out=luminance, mode="clip")
                self._look_up(luminance, index, buffers)
            np.take(table.lightness, index, out=buffers.slope[:n], mode="clip")
        linear = buffers.linear[:, :n]
        if self._grey:
            linear[:] = luminance
        else:
            self._add_colour(top, rows, luminance, linear, buffers)
        small = buffers.small[:n]
        for c in range(3):
            np.copyto(small, linear[c], casting="unsafe")
            np.copyto(index, small)
            np.take(table.gamma, index, out=out[c].reshape(n), mode="clip")

    @staticmethod
    def _look_up(luminance: NDArray[np.float32], index: NDArray[np.intp], buffers: _Buffers) -> None:
        """index = int(luminance), by way of int32, which is faster."""
        small = buffers.small[: len(index)]
        np.copyto(small, luminance, casting="unsafe")
        np.copyto(index, small)

    def _add_colour(
        self, top: int, rows: int, y: NDArray[np.float32], linear: NDArray[np.float32], buffers: _Buffers
    ) -> None:
        """linear [3, n] = y [n] + the colour of the rows from `top`, kept in gamut."""
        n = len(y)
        moves, steps = buffers.moves[:, :n], buffers.steps[:, :n]
        slope, square = buffers.slope[:n], buffers.square[:n]  # 3 fy, 3 fy^2
        np.multiply(slope, slope, out=square)
        square *= np.float32(1 / 3)
        cell = self._y[top]
        for row, down in enumerate(self._down[top : top + rows].tolist()):
            between = steps[:, row * self.width : (row + 1) * self.width]
            np.multiply(self._row_steps[cell], down, out=between)
            between += self._rows[cell]
        np.add(steps, slope, out=moves)
        moves *= steps
        moves += square
        moves *= steps  # X/Xn - Y, Z/Zn - Y
        spare = slope
        for c, (m, k) in enumerate(self._directions):
            np.multiply(moves[0], np.float32(m), out=linear[c])
            np.multiply(moves[1], np.float32(k), out=spare)
            linear[c] += spare
        self._keep_in_gamut(y, linear, slope, square)

    def _keep_in_gamut(
        self, y: NDArray[np.float32], linear: NDArray[np.float32], high: NDArray[np.float32], low: NDArray[np.float32]
    ) -> None:
        """linear [3, n], the offset from the grey y [n]: scaled down where it would leave 0..scale, then y is added."""
        np.maximum(linear[0], linear[1], out=high)
        np.maximum(high, linear[2], out=high)
        np.minimum(linear[0], linear[1], out=low)
        np.minimum(low, linear[2], out=low)
        # The largest factor (at most 1) that keeps each channel within 0..scale.
        # A small excess avoids 0 / 0; the gamma look-up is clipped.
        headroom = np.subtract(np.float32(self._table.scale * (1 + _RELATIVE)), y)
        np.maximum(high, headroom, out=high)
        np.divide(headroom, high, out=high)
        np.subtract(np.float32(-_TINY), y, out=headroom)
        np.minimum(low, headroom, out=low)
        np.divide(headroom, low, out=low)
        np.minimum(high, low, out=high)
        linear *= high
        linear += y


class _Buffers:
    """Scratch space for blocks of up to n pixels."""

    def __init__(self, n: int) -> None:
        self.index = np.empty(n, np.intp)
        self.luminance = np.empty(n, np.float32)
        self.slope = np.empty(n, np.float32)
        self.square = np.empty(n, np.float32)
        self.moves = np.empty((2, n), np.float32)
        self.steps = np.empty((2, n), np.float32)
        self.linear = np.empty((3, n), np.float32)
        self.small = np.empty(n, np.int32)


_local = threading.local()


def _buffers(n: int) -> _Buffers:
    """This thread's scratch space, allocated once, since allocation costs more than the computation."""
    if getattr(_local, "size", 0) != n:
        _local.buffers, _local.size = _Buffers(n), n
    buffers: _Buffers = _local.buffers
    return buffers

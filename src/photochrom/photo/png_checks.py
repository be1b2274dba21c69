"""A PNG's chunks before its pixels: gamma and primaries without a profile, and an animation's frames."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyvips

from .decoders.decoded import opened

_SRGB_GAMMA = 45_455  # of gAMA, in 1/100,000: what encoders write for sRGB
_SRGB_PRIMARIES = (31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000)
_TO_LINEAR_SRGB = np.array(
    [[3.2404542, -1.5371385, -0.4985314], [-0.9692660, 1.8760108, 0.0415560], [0.0556434, -0.2040259, 1.0572252]]
)  # from XYZ of D65


@dataclass(frozen=True)
class Gamma:
    """gamma: the exponent that encoded the samples (1: linear); matrix: linear RGB to linear sRGB, or None."""

    gamma: float
    matrix: tuple[tuple[float, ...], ...] | None = None

    def applied(self, image: pyvips.Image) -> pyvips.Image:
        """The samples in sRGB, of the same depth; alpha as it is."""
        top = 255 if image.format == "uchar" else 65_535
        kind, interpretation = image.format, image.interpretation
        colours = 1 if image.bands <= 2 else 3
        alpha = image[colours] if image.bands > colours else None
        linear = np.arange(top + 1) / top
        linear = linear ** (1 / self.gamma)
        if self.matrix is None or colours == 1:
            table = np.rint(_encoded(linear) * top).astype(np.uint8 if top == 255 else np.uint16)
            lut = pyvips.Image.new_from_array(table.reshape(1, -1))
            done = (image[:colours] if colours == 3 else image[0]).maplut(lut.copy(interpretation=interpretation))
        else:
            lut = pyvips.Image.new_from_array(linear.astype(np.float32).reshape(1, -1))
            light = image[:3].maplut(lut).recomb([list(row) for row in self.matrix])
            light = (light < 0).ifthenelse(0, (light > 1).ifthenelse(1, light))
            done = (light <= 0.0031308).ifthenelse(light * 12.92, light ** (1 / 2.4) * 1.055 - 0.055)
            done = (done * top + 0.5).cast(kind)
        if alpha is not None:
            done = done.bandjoin(alpha)
        return done.copy(interpretation=interpretation)


def _encoded(linear: np.ndarray) -> np.ndarray:
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def colours(source: Path | bytes, notes: list[str]) -> Gamma | None:
    """The gamma to undo, None for sRGB or where a profile, sRGB or cICP chunk wins; adds a note on an animation."""
    found = _chunks(source)
    if len(frames := found.get(b"acTL", b"")) == 8 and (count := struct.unpack(">I", frames[:4])[0]) > 1:
        notes.append(f"an animation of {count} frames: only its default image was coloured")
    if {b"iCCP", b"sRGB", b"cICP"} & found.keys() or len(found.get(b"gAMA", b"")) != 4:
        return None
    value = struct.unpack(">I", found[b"gAMA"])[0]
    if not 1_000 <= value <= 1_000_000:  # 0.01 to 10: others are no gamma
        return None
    chromaticities = found.get(b"cHRM", b"")
    matrix = _matrix(struct.unpack(">8I", chromaticities)) if len(chromaticities) == 32 else None
    if abs(value - _SRGB_GAMMA) <= 500 and matrix is None:
        return None
    return Gamma(value / 100_000, matrix)


def _matrix(numbers: tuple[int, ...]) -> tuple[tuple[float, ...], ...] | None:
    """Linear RGB of these white point and primaries to linear sRGB; None for sRGB's own or impossible ones."""
    if max(abs(a - b) for a, b in zip(numbers, _SRGB_PRIMARIES, strict=True)) <= 100 or 0 in numbers[1::2]:
        return None
    points = np.array(numbers, float).reshape(4, 2) / 100_000
    xyz = np.stack([points[:, 0], points[:, 1], 1 - points.sum(1)], 1) / points[:, 1:]
    primaries = xyz[1:].T
    if abs(np.linalg.det(primaries)) < 1e-6:
        return None
    to_xyz = primaries * np.linalg.solve(primaries, xyz[0])
    matrix = _TO_LINEAR_SRGB @ to_xyz
    matrix /= matrix.sum(1, keepdims=True)  # white stays white
    return tuple(tuple(map(float, row)) for row in matrix)


def _chunks(source: Path | bytes) -> dict[bytes, bytes]:
    """The small chunks before the pixels."""
    found: dict[bytes, bytes] = {}
    with opened(source) as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            size, name = struct.unpack(">I", head[:4])[0], head[4:]
            if name in (b"IDAT", b"IEND"):
                break
            if size <= 32:
                found[name] = file.read(size)
                file.seek(4, 1)
            else:
                found[name] = b""
                file.seek(size + 4, 1)
    return found

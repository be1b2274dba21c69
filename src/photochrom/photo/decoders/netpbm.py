"""The Netpbm formats: PBM, PGM and PPM, in ASCII and binary, and PAM.

Read here, because libvips' wheel leaves them out and Pillow knows no PAM and reduces 16-bit colour to 8 bits.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .decoded import Decoded, Metadata, opened

_HEADER_BYTES = 65_536  # of the header with its comments
_TOKEN = re.compile(rb"(?:\s|#[^\n\r]*[\n\r])*([^\s#]+)")
_PAM_TYPES = {1: (b"BLACKANDWHITE", b"GRAYSCALE"), 2: (b"BLACKANDWHITE_ALPHA", b"GRAYSCALE_ALPHA"),
              3: (b"RGB",), 4: (b"RGB_ALPHA",)}  # fmt: skip


class Netpbm:
    """Samples are scaled from 0..maxval to 0..255, or to 0..65535 where maxval is above 255. Raises as `Decoder`."""

    def __init__(self, source: Path | bytes) -> None:
        self._source = source
        with opened(source) as file:
            head = file.read(_HEADER_BYTES)
        self._kind = head[1:2]
        self._maxval = 1
        if self._kind == b"7":
            self._read_pam(head)
        else:
            numbers, self._start = _numbers(head, 2 if self._kind in b"14" else 3)
            self.width, self.height = numbers[:2]
            self._maxval = numbers[2] if len(numbers) == 3 else 1
            self.bands = 3 if self._kind in b"36" else 1
        if not (self.width > 0 and self.height > 0 and 0 < self._maxval < 65_536):
            raise ValueError(f"impossible size or maxval: {self.width} x {self.height}, {self._maxval}")
        self.bits = 8 if self._maxval < 256 else 16
        self.notes: list[str] = []
        self.metadata = Metadata()

    def _read_pam(self, head: bytes) -> None:
        text, end, _ = head.partition(b"ENDHDR")
        line_end = head.find(b"\n", len(text))
        if not end or line_end < 0:
            raise ValueError("its header has no end")
        entries = dict(pair for line in text.splitlines()[1:] if len(pair := line.split(maxsplit=1)) == 2)
        self.width, self.height, self.bands, self._maxval = (
            int(entries.get(key, b"0")) for key in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL")
        )
        kind = entries.get(b"TUPLTYPE", b"").strip()
        if self.bands not in _PAM_TYPES or (kind and kind not in _PAM_TYPES[self.bands]):
            raise ValueError(f"{self.bands} channels of type {kind.decode('latin-1') or 'unknown'}")
        self._start = line_end + 1

    def decode(self) -> Decoded:
        samples: NDArray[Any]
        with opened(self._source) as file:
            file.seek(self._start)
            data = file.read()
        row = self.width * self.bands
        if self._kind == b"4":
            packed = _exactly(np.frombuffer(data, np.uint8), self.height * ((row + 7) // 8))
            samples = np.unpackbits(packed.reshape(self.height, -1), axis=1, count=row)
        elif self._kind == b"1":
            digits = re.sub(rb"#[^\n\r]*|\s", b"", data)
            samples = _exactly(np.frombuffer(digits, np.uint8), row * self.height) - ord("0")
        elif self._kind in b"23":
            words = re.sub(rb"#[^\n\r]*", b"", data).split(maxsplit=row * self.height)
            samples = _exactly(np.array(words[: row * self.height], np.int64), row * self.height)
        else:
            kind = np.dtype(np.uint8 if self.bits == 8 else ">u2")
            usable = data[: len(data) // kind.itemsize * kind.itemsize]
            samples = _exactly(np.frombuffer(usable, kind), row * self.height)
        if self._kind in b"14":
            samples = 1 - samples.astype(np.int16)  # 1 is black
        if samples.min() < 0 or samples.max() > self._maxval:
            raise ValueError(f"a sample is above the maxval of {self._maxval}")
        return self._scaled(samples).reshape(self.height, self.width, self.bands)

    def _scaled(self, samples: np.ndarray) -> Decoded:
        """As 8 or 16 bits, through a table of all samples there may be."""
        top = 255 if self.bits == 8 else 65_535
        table = (np.arange(self._maxval + 1, dtype=np.int64) * top + self._maxval // 2) // self._maxval
        found: Decoded = table.astype(np.uint8 if self.bits == 8 else np.uint16)[samples]
        return found


def _numbers(head: bytes, count: int) -> tuple[list[int], int]:
    """The header's numbers after the magic, and where the samples start."""
    found, at = [], 2
    for _ in range(count):
        match = _TOKEN.match(head, at)
        if match is None:
            raise ValueError("its header is cut short")
        found.append(int(match[1]))
        at = match.end()
    return found, at + 1


def _exactly(samples: np.ndarray, count: int) -> np.ndarray:
    if len(samples) < count:
        raise ValueError(f"{len(samples)} of {count} samples are there")
    return samples[:count]

"""What a decoder of ours gives: a photograph's header, its metadata, and its samples when asked for."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Decoded = NDArray[np.uint8] | NDArray[np.uint16]


class DecodeError(Exception):
    """The file is damaged, as the library that decodes it says."""


class MissingDecoderError(Exception):
    """The decoder is not installed; the text says how to install it."""


class Decoder(Protocol):
    """A photograph whose header has been read. width, height: upright; bands: 1 to 4; bits: 8 or 16."""

    width: int
    height: int
    bands: int
    bits: int
    notes: list[str]
    metadata: Metadata

    def decode(self) -> Decoded:
        """Samples [height, width, bands], upright. Raises ValueError or OSError where the file is damaged."""
        ...


@dataclass(frozen=True)
class Metadata:
    """What a file says beside its pixels. exif: a TIFF structure, without the prefix "Exif"; dpi: 0 if not stated."""

    exif: bytes = b""
    xmp: bytes = b""
    icc: bytes = b""
    fields: dict[str, Any] = field(default_factory=dict)


def opened(source: Path | bytes) -> io.BufferedReader | io.BytesIO:
    """The file to read from, at its start."""
    return io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")

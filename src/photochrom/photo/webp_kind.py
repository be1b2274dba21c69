"""Whether a WebP is of the lossless kind."""

from __future__ import annotations

from pathlib import Path

from .decoders.decoded import opened


def is_lossless(source: Path | bytes) -> bool:
    """Whether the first picture of a WebP (the first frame of an animation) is coded without loss (or nearly)."""
    with opened(source) as file:
        file.seek(12)
        while len(head := file.read(8)) == 8:
            name, size = head[:4], int.from_bytes(head[4:], "little")
            if name in (b"VP8L", b"VP8 "):
                return name == b"VP8L"
            if name == b"ANMF":
                file.seek(16, 1)  # into the frame, whose chunks follow
            else:
                file.seek(size + size % 2, 1)
    return False

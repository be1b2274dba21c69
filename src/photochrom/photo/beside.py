"""What a file holds beside its photograph and is not written again: films, further images, gain maps."""

from __future__ import annotations

import re
from pathlib import Path

from .decoders.decoded import opened

_HEAD = 262_144  # bytes, in which a JPEG's segments are looked for
_MOTION = re.compile(rb'(?:Micro|Motion)(?:Video|Photo)(?:="|>)\s*1|Item:Semantic(?:="|>)\s*MotionPhoto')
_GAIN_MAP = (b"hdrgm:Version", b"HDRGainMap", b"urn:iso:std:iso:ts:21496:-1")
_SAMSUNG = b"MotionPhoto_Data"


def left_out(source: Path | bytes, format: str) -> list[str]:
    """Notes on what will be missing from the coloured file; empty for most."""
    if format not in ("jpg", "heic"):
        return []
    with opened(source) as file:
        head = file.read(_HEAD)
        size = file.seek(0, 2)
        file.seek(max(0, size - 65_536))
        tail = file.read()
    found = []
    if _MOTION.search(head) or _SAMSUNG in tail or b"mpvd" in tail:
        found.append("a motion photo: its film was left out")
    if format == "heic":
        return found
    if any(name in head for name in _GAIN_MAP):
        found.append("its gain map (HDR) was left out")
    elif b"MPF\0" in head:
        found.append("its further images (MPF: a preview, a depth map or the other eye's view) were left out")
    return found

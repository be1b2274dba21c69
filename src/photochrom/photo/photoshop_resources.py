"""Photoshop's image resources (a JPEG's APP13): where IPTC is kept."""

from __future__ import annotations

_HEAD = b"Photoshop 3.0\0"
_IPTC = 0x0404


def iptc_in(data: bytes) -> bytes | None:
    """The IPTC block among image resources, or None; bare IPTC as it is; damage ends the search.

    A JPEG's resources have a head, a TIFF's have none.
    """
    if data.startswith(b"\x1c"):
        return data
    at = len(_HEAD) if data.startswith(_HEAD) else 0
    while data[at : at + 4] == b"8BIM" and at + 7 <= len(data):
        kind = int.from_bytes(data[at + 4 : at + 6])
        size = at + 7 + (data[at + 6] | 1)  # after a Pascal string, of even length in all
        start = size + 4
        end = start + int.from_bytes(data[size:start])
        if end > len(data):
            return None
        if kind == _IPTC:
            return data[start:end]
        at = end + (end - start) % 2
    return None


def with_head(iptc: bytes) -> bytes:
    """IPTC as a JPEG holds it: among Photoshop's resources."""
    return _HEAD + b"8BIM\x04\x04\0\0" + len(iptc).to_bytes(4) + iptc + b"\0" * (len(iptc) % 2)

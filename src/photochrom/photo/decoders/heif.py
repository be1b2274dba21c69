"""HEIC photographs, decoded by pi-heif (libheif and libde265)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyvips

from .decoded import Decoded, Metadata, MissingDecoderError, opened

_BANDS = {"L": 1, "LA": 2, "La": 2, "RGB": 3, "RGBA": 4, "RGBa": 4}
_BT709, _DISPLAY_P3, _UNSPECIFIED = 1, 12, 2  # colour primaries of ITU-T H.273
_HDR = {16: "PQ", 18: "HLG"}  # its transfer characteristics that are far from sRGB's


class Heif:
    """The primary image. libheif joins its tiles and turns it upright, so EXIF's orientation is not applied again."""

    def __init__(self, source: Path | bytes) -> None:
        try:
            import pi_heif
        except ImportError as error:
            raise MissingDecoderError("HEIC needs the decoder pi-heif: pip install 'photochrom[heic]'") from error
        file = pi_heif.open_heif(opened(source), convert_hdr_to_8bit=False)
        image: Any = file[file.primary_index]
        self._image = image
        self.width, self.height = image.size
        mode, _, deep = image.mode.partition(";")
        self.bands, self.bits = _BANDS[mode], 16 if deep else 8
        self._premultiplied = mode.endswith("a")
        self.notes = _left_out(len(file), image.info)
        self.metadata = Metadata(_exif(image.info), image.info.get("xmp") or b"", self._profile(image.info))

    def _profile(self, info: dict[str, Any]) -> bytes:
        if info.get("icc_profile"):
            return bytes(info["icc_profile"])
        nclx = info.get("nclx_profile") or {}
        primaries = nclx.get("color_primaries", _UNSPECIFIED)
        transfer = nclx.get("transfer_characteristics", 0)
        if transfer in _HDR:
            self.notes.append(f"its brightness is coded as {_HDR[transfer]} (HDR), and was taken for sRGB")
        elif primaries == _DISPLAY_P3:
            return bytes(pyvips.Image.profile_load("p3"))
        elif primaries not in (_BT709, _UNSPECIFIED):
            self.notes.append(f"its colour primaries (H.273 number {primaries}) were taken for sRGB's")
        return b""

    def decode(self) -> Decoded:
        samples = np.asarray(self._image)
        return samples.reshape(self.height, self.width, self.bands)


def _exif(info: dict[str, Any]) -> bytes:
    return bytes(info.get("exif") or b"").removeprefix(b"Exif\0\0")


def _left_out(images: int, info: dict[str, Any]) -> list[str]:
    """Notes on what the file holds beside the photograph."""
    left = []
    if images > 1:
        left.append(f"holds {images} images: only the primary one was coloured")
    if info.get("depth_images"):
        left.append("its depth map was left out")
    if auxiliary := info.get("aux"):
        gain = any("gainmap" in str(kind).lower() for kind in auxiliary)
        left.append("its gain map (HDR) was left out" if gain else "its auxiliary images were left out")
    return left

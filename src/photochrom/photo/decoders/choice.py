"""Photographs that libvips cannot decode, decoded by pi-heif or here: HEIC, BMP and the Netpbm formats.

They are decoded whole in memory, each time their pixels are asked for, and never before their size is known.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pyvips

from .decoded import DecodeError, Decoder

# What pi-heif and the readers of BMP and Netpbm raise for damaged files.
_DAMAGE = (ValueError, OSError, EOFError, RuntimeError, LookupError, SyntaxError, TypeError, struct.error)


def decoder(format: str, source: Path | bytes) -> Decoder:
    """Read the header. Raises DecodeError where it is damaged."""
    try:
        return _decoder(format, source)
    except _DAMAGE as error:
        raise DecodeError(str(error) or type(error).__name__) from error


def _decoder(format: str, source: Path | bytes) -> Decoder:
    if format == "heic":
        from .heif import Heif

        return Heif(source)
    if format == "bmp":
        from .bmp import Bmp

        return Bmp(source)
    from .netpbm import Netpbm

    return Netpbm(source)


def header_of(found: Decoder) -> pyvips.Image:
    """An image of the photograph's size and metadata, as a libvips loader would give it; its pixels are all black."""
    kind = "uchar" if found.bits == 8 else "ushort"
    return _described(pyvips.Image.black(found.width, found.height, bands=found.bands).cast(kind), found)


def image_of(found: Decoder) -> pyvips.Image:
    """The photograph, decoded. Raises DecodeError where it is damaged."""
    try:
        samples = np.ascontiguousarray(found.decode())
    except _DAMAGE as error:
        raise DecodeError(str(error) or type(error).__name__) from error
    kind = "uchar" if samples.dtype == np.uint8 else "ushort"
    image = pyvips.Image.new_from_memory(samples.data, found.width, found.height, found.bands, kind)
    return _described(image, found)


def _described(image: pyvips.Image, found: Decoder) -> pyvips.Image:
    names = {(8, False): "srgb", (16, False): "rgb16", (8, True): "b-w", (16, True): "grey16"}
    image = image.copy(interpretation=names[found.bits, found.bands < 3])
    metadata = found.metadata
    if metadata.exif:
        _copy_exif(metadata.exif, image)
    for name, value in (("xmp-data", metadata.xmp), ("icc-profile-data", metadata.icc)):
        if value:
            image.set_type(pyvips.GValue.blob_type, name, value)
    return image


def _copy_exif(exif: bytes, image: pyvips.Image) -> None:
    """Let libvips parse the EXIF, as it does only in its loaders: out of a PNG of one pixel."""
    png = pyvips.Image.black(1, 1).pngsave_buffer()
    start = 33  # after the signature and IHDR
    chunk = b"eXIf" + exif
    png = png[:start] + struct.pack(">I", len(exif)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + png[start:]
    carrier = pyvips.Image.pngload_buffer(png)
    for name in carrier.get_fields():
        if name.startswith("exif-"):
            image.set_type(carrier.get_typeof(name), name, carrier.get(name))
    # The decoder has turned the photograph upright.
    image.set_type(pyvips.GValue.gint_type, "orientation", 1)

"""One photograph for a shard: upright, sRGB, downsampled to a given short side, encoded without metadata."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyvips
from PIL import Image

from ..errors import PhotoError, SettingError
from ..photo.reading import Photo, open_photo
from ..photo.srgb import to_srgb
from .photo_list import Entry
from .photograph import CORRUPT, TINY, Limits, UnusablePhoto, grey, is_grey, thumbnail

SUFFIXES = {"webp": ".webp", "jpeg": ".jpg"}


@dataclass(frozen=True)
class Encoding:
    """size: pixels of the short side (smaller photographs stay as they are); format: webp or jpeg; quality: 1..100."""

    size: int = 256
    format: str = "webp"
    quality: int = 90

    def __post_init__(self) -> None:
        if self.size < Limits().min_side:
            raise SettingError(f"size is {self.size}; expected at least {Limits().min_side} pixels")
        if self.format not in SUFFIXES:
            raise SettingError(f"format is {self.format!r}; expected one of: {', '.join(SUFFIXES)}")
        if not 1 <= self.quality <= 100:
            raise SettingError(f"quality is {self.quality}; expected 1..100")


class Packed(NamedTuple):
    """A photograph for a shard: its key in the data set and its new bytes."""

    key: str
    content: bytes


@dataclass(frozen=True)
class Packer:
    """entries -> for each its Packed, or the UnusablePhoto that says why it is left out. Picklable."""

    encoding: Encoding
    limits: Limits

    def __call__(self, entries: Sequence[Entry]) -> list[Packed | UnusablePhoto]:
        found: list[Packed | UnusablePhoto] = []
        for entry in entries:
            try:
                found.append(Packed(entry.key, self.pack(entry)))
            except UnusablePhoto as photo:
                found.append(photo)
        return found

    def pack(self, entry: Entry) -> bytes:
        """The photograph's new bytes. Raises UnusablePhoto; DataError where the source fails."""
        try:
            image = resized(entry.read(), entry, self.encoding.size, self.limits)
            return encoded(image, self.encoding)
        except (PhotoError, pyvips.Error, OSError) as error:
            detail = " ".join(str(error).split())
            raise UnusablePhoto(entry.key, entry.source.name, CORRUPT, detail) from error


def resized(content: bytes, entry: Entry, size: int, limits: Limits) -> pyvips.Image:
    """Upright 8-bit sRGB in memory, three bands, a short side of at most `size` pixels; transparency becomes white."""
    photo = open_photo(content, name=entry.key)  # lets only the formats of photographs pass
    short = min(photo.width, photo.height)
    if short < limits.min_side:
        detail = f"{photo.width} x {photo.height} pixels; expected at least {limits.min_side} on each side"
        raise UnusablePhoto(entry.key, entry.source.name, TINY, detail)
    with photo.reading():
        image = _small_srgb(photo, min(1.0, size / short)).copy_memory()
    if limits.grey and is_grey(thumbnail(Image.fromarray(image.numpy()))):
        raise grey(entry)
    return image


def _small_srgb(photo: Photo, scale: float) -> pyvips.Image:
    """The first page, upright, 8-bit sRGB, three bands, both sides times `scale` (at most 1)."""
    options: dict[str, Any] = {}
    if photo.format == "jpg":  # shrink on load, to no less than twice the final size, which the filter below needs
        options["shrink"] = next(factor for factor in (8, 4, 2, 1) if factor == 1 or factor <= 0.5 / scale)
    image = to_srgb(photo.load(sequential=False, **options), photo.name)
    width, height = round(photo.width * scale), round(photo.height * scale)
    if (image.width, image.height) != (width, height):
        image = image.resize(width / image.width, vscale=height / image.height)
    if image.hasalpha():
        image = image.flatten(background=255 if image.format == "uchar" else 65535)
    if image.format == "ushort":
        image = (image / 257).rint().cast("uchar")
    return (image if image.bands == 3 else image.bandjoin([image, image])).copy(interpretation="srgb")


def encoded(image: pyvips.Image, encoding: Encoding) -> bytes:
    """The image's bytes. Colour is what is learnt here, so chroma is kept at full size, or subsampled with care."""
    if encoding.format == "jpeg":
        content: bytes = image.jpegsave_buffer(
            Q=encoding.quality, keep="none", optimize_coding=True, subsample_mode="off"
        )
    else:
        content = image.webpsave_buffer(Q=encoding.quality, keep="none", smart_subsample=True)
    return content

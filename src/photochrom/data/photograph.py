"""Decodes photographs, takes random crops, and rejects unusable photographs with a reason."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from ..color import rgb_to_lab
from ..errors import DataError
from .photo_list import Entry

NEAR_GREY = 5.0  # ab units; a photograph with no |a| or |b| above this is near-grey and left out
THUMBNAIL = 32  # pixels; side of the small copy in which greyness is looked for: a few odd pixels are no colour
GREY_SPREAD = 24  # of 255: in no colour with |a| and |b| up to NEAR_GREY do R, G and B lie further apart
FORMATS = ("JPEG", "WEBP", "PNG", "TIFF", "BMP", "GIF")  # trying all of Pillow's formats takes longer than some decodes
CORRUPT, TINY, GREY = "corrupt", "tiny", "grey"


class UnusablePhoto(DataError):
    """A photograph to leave out. reason: CORRUPT, TINY or GREY; key: its name in the data set; file: where it lies."""

    def __init__(self, key: str, file: str, reason: str, detail: str) -> None:
        super().__init__(key, file, reason, detail)  # all arguments, so that it can be pickled
        self.key, self.file, self.reason, self.detail = key, file, reason, detail

    def __str__(self) -> str:
        return f"{self.key} in {self.file}: {self.reason} ({self.detail})"


@dataclass(frozen=True)
class Limits:
    """Which photographs are used. min_side: least short side in pixels; grey: whether near-grey ones are left out."""

    min_side: int = 32
    grey: bool = True


@dataclass(frozen=True)
class CropSettings:
    """size: side of the square crop in pixels; area: least and greatest share of the photograph's largest centred
    square that a crop covers; mirror: flip left-right half of the time."""

    size: int = 128
    area: tuple[float, float] = (0.4, 1.0)
    mirror: bool = True

    @property
    def least_side(self) -> int:
        """Pixels that a photograph's short side must have so that no crop is enlarged."""
        return int(np.ceil(self.size / np.sqrt(self.area[0])))


class Opened(NamedTuple):
    """image: upright RGB; format: "JPEG", "PNG" ...; size: (width, height) as the file has it, before any shrinking."""

    image: Image.Image
    format: str
    size: tuple[int, int]


def open_entry(entry: Entry, least_side: int = 0, min_side: int = 0) -> Opened:
    """Read and decode a photograph.

    least_side: a JPEG may be decoded to 1/2, 1/4 or 1/8 as long as its short side keeps so many pixels (0: never).
    Raises UnusablePhoto: no readable photograph, or a short side below min_side pixels. Raises DataError where the
    source fails, which is not the photograph's fault.
    """
    try:
        with warnings.catch_warnings():
            # Pillow's warnings about metadata and sizes do not matter here; its errors are caught.
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(entry.read()), formats=FORMATS)
            size, kind = image.size, str(image.format)
            if min(size) >= min_side:
                if least_side:
                    image.draft("RGB", (least_side, least_side))
                ImageOps.exif_transpose(image, in_place=True)
                return Opened(image.convert("RGB"), kind, size)
    except DataError:
        raise
    except UnidentifiedImageError as error:  # Pillow's message names a memory buffer
        raise UnusablePhoto(entry.key, entry.source.name, CORRUPT, f"no {', '.join(FORMATS)} photograph") from error
    except Exception as error:  # on damaged bytes Pillow's plug-ins raise many kinds of exceptions
        raise UnusablePhoto(entry.key, entry.source.name, CORRUPT, f"{type(error).__name__}: {error}") from error
    raise UnusablePhoto(
        entry.key, entry.source.name, TINY, f"{size[0]} x {size[1]} pixels; expected at least {min_side} on each side"
    )


def decode(entry: Entry) -> Image.Image:
    """The photograph as upright RGB, at its full size. Errors as open_entry."""
    return open_entry(entry).image


def thumbnail(image: Image.Image, side: int = THUMBNAIL) -> NDArray[np.uint8]:
    """uint8 RGB [h, w, 3] of a copy with a long side of at most `side` pixels, each the mean of a box of pixels."""
    factor = -(-max(image.size) // side)
    return np.asarray(image.reduce(factor) if factor > 1 else image)


def ab_of(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """CIE ab [..., 2] float32 of uint8 sRGB [..., 3]."""
    return rgb_to_lab(rgb.astype(np.float32) / 255)[..., 1:]


def is_grey(rgb: NDArray[np.uint8]) -> bool:
    """No |a| or |b| above NEAR_GREY anywhere in uint8 sRGB [h, w, 3]."""
    r, g, b = rgb[..., 0], rgb[..., 1], rgb[..., 2]  # per channel: several times as fast as over an axis of 3
    spread = np.maximum(np.maximum(r, g), b) - np.minimum(np.minimum(r, g), b)
    if (spread > GREY_SPREAD).any():
        return False  # without computing Lab: true of nearly every photograph
    return not bool((np.abs(ab_of(rgb)) > NEAR_GREY).any())


def usable(entry: Entry, limits: Limits, least_side: int = 0) -> Image.Image:
    """The photograph as upright RGB; raises UnusablePhoto with its reason, or DataError where the source fails."""
    image = open_entry(entry, least_side, limits.min_side).image
    if limits.grey and is_grey(thumbnail(image)):
        raise grey(entry)
    return image


def grey(entry: Entry) -> UnusablePhoto:
    """The error that says that this photograph is near-grey."""
    return UnusablePhoto(entry.key, entry.source.name, GREY, f"no |a| or |b| above {NEAR_GREY:g}")


def random_crop(image: Image.Image, settings: CropSettings, random: np.random.Generator) -> NDArray[np.uint8]:
    """A random square of the photograph, resized with antialiasing: [3, size, size] uint8."""
    side = min(image.size) * float(np.sqrt(random.uniform(*settings.area)))
    left = random.uniform(0, image.width - side)
    top = random.uniform(0, image.height - side)
    crop = image.resize((settings.size, settings.size), Image.Resampling.BILINEAR, (left, top, left + side, top + side))
    pixels = np.asarray(crop)
    if settings.mirror and random.random() < 0.5:
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def centre_crop(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """The largest centred square, resized with antialiasing: [3, size, size] uint8."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    crop = image.resize((size, size), Image.Resampling.BILINEAR, (left, top, left + side, top + side))
    return np.ascontiguousarray(np.asarray(crop).transpose(2, 0, 1))

"""Any photograph that libvips loads, as upright sRGB samples: ICC profiles honoured, orientation applied."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pyvips

from ..errors import UnreadablePhotoError

PROFILE = "icc-profile-data"
_SPACES = {(1, 8): "b-w", (1, 16): "grey16", (3, 8): "srgb", (3, 16): "rgb16"}


def to_srgb(image: pyvips.Image, name: object) -> pyvips.Image:
    """Upright sRGB uint8 or uint16 with 1 to 4 bands (grey, grey + alpha, RGB, RGB + alpha), lazily.

    An embedded profile that is sRGB (or grey with sRGB's curve) leaves the samples as they are, code for code; one that
    is damaged or of another kind is ignored. Raises UnreadablePhotoError for samples or bands that no photograph has.
    """
    if image.interpretation in ("lab", "labs", "scrgb", "xyz"):
        image = image.colourspace("rgb16")
    if image.format not in ("uchar", "ushort"):
        raise UnreadablePhotoError(name, f"samples of type {image.format}", "expected 8 or 16 bits, unsigned")
    bits = 8 if image.format == "uchar" else 16
    if image.interpretation == "cmyk":
        inks = image[:4] if image.bands > 4 else image
        converted = inks.icc_transform("srgb", embedded=True, input_profile="cmyk", depth=bits, intent="relative")
        # The transform would take a 16-bit alpha for one of 8 bits.
        return (converted.bandjoin(image[4]) if image.bands > 4 else converted).autorot()
    colours = 1 if image.bands <= 2 else 3
    if image.bands > 4:
        raise UnreadablePhotoError(name, f"{image.bands} bands", "expected grey, RGB or CMYK, with or without alpha")
    image = image.copy(interpretation=_SPACES[colours, bits])
    if image.get_typeof(PROFILE) and _changes_colours(image.get(PROFILE), colours):
        image = image.icc_transform("srgb", embedded=True, depth=bits, intent="relative")
    return image.autorot()


def is_upright_srgb(image: pyvips.Image) -> bool:
    """Whether `to_srgb` would leave this image's 8-bit samples as they are."""
    if image.format != "uchar" or image.interpretation not in ("b-w", "srgb") or image.bands not in (1, 3):
        return False
    if image.get_typeof("orientation") and image.get("orientation") != 1:
        return False
    return not (image.get_typeof(PROFILE) and _changes_colours(image.get(PROFILE), image.bands))


@lru_cache(maxsize=8)
def _changes_colours(profile: bytes, colours: int) -> bool:
    """Whether an embedded profile moves any 8-bit colour by more than one code on its way to sRGB."""
    levels = np.linspace(0, 255, 256 if colours == 1 else 8).round().astype(np.uint8)
    samples = np.stack(np.meshgrid(*[levels] * colours, indexing="ij"), -1).reshape(1, -1, colours)
    image = pyvips.Image.new_from_array(samples).copy(interpretation=_SPACES[colours, 8]).copy()
    image.set_type(pyvips.GValue.blob_type, PROFILE, profile)
    try:
        moved = image.icc_transform("srgb", embedded=True, depth=8, intent="relative").numpy()
    except pyvips.Error:
        return False
    return bool(np.abs(moved.astype(int).reshape(1, -1, moved.shape[-1]) - samples).max() > 1)


def srgb_profile() -> bytes:
    """The sRGB profile that outputs carry."""
    return bytes(pyvips.Operation.call("profile_load", "srgb"))

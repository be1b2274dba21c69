"""What a caller may hand over as a photograph, brought to what `reading` takes: a regular file's path, or its content.

Paths (str, PathLike), bytes-like objects, binary file objects, Pillow's images, NumPy arrays. Pipes
are read whole, since a decoder must be able to go back in its file.
"""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pyvips

from ..errors import MissingPhotoError, TooLargeError, UnreadablePhotoError
from ..merge import Samples

MAX_PIPE_BYTES = 4_000_000_000  # of a photograph that comes through a pipe and is held in memory
_CHUNK = 1 << 20
_LEFT_ALONE = ("L", "LA", "RGB", "RGBA", "I;16")  # Pillow's modes that go into a PNG as they are
_TO_RGB = {"1": "L", "HSV": "RGB", "YCbCr": "RGB", "RGBX": "RGB", "La": "LA", "RGBa": "RGBA", "PA": "RGBA"}


def as_source(photo: object, name: object = None) -> tuple[Path | bytes, str]:
    """(a path or a file's content, what to call it in messages) of anything that is a photograph but an array.

    Raises UnreadablePhotoError, MissingPhotoError, TooLargeError.
    """
    if isinstance(photo, bytes | bytearray | memoryview):
        return bytes(photo), str("-" if name is None else name)
    if isinstance(photo, str | os.PathLike):
        path = as_path(photo)
        return _file(path, path if name is None else name), str(path if name is None else name)
    if is_pillow(photo):
        return _pillow_content(photo, "image" if name is None else name), str("image" if name is None else name)
    read = getattr(photo, "read", None)
    if callable(read):
        called = name or getattr(photo, "name", None) or "file object"
        content = read()
        if not isinstance(content, bytes | bytearray | memoryview):
            raise UnreadablePhotoError(called, f"gives {type(content).__name__}", "expected a file opened as binary")
        return bytes(content), str(called)
    raise UnreadablePhotoError(
        "photograph" if name is None else name,
        f"of type {type(photo).__name__}",
        "expected a path, bytes, a binary file object, a Pillow image or a numpy array",
    )


def as_path(name: object) -> Path:
    """A path of a str or PathLike that can be a file's name; UnreadablePhotoError for one that cannot."""
    try:
        path = Path(os.fsdecode(name))  # type: ignore[arg-type]
        encoded = os.fsencode(path)
    except (TypeError, ValueError) as error:  # a lone surrogate, no name at all
        raise UnreadablePhotoError(ascii(name), "cannot be a file's name", "expected a path") from error
    if b"\0" in encoded or name == "":
        raise UnreadablePhotoError(ascii(name), "cannot be a file's name", "expected one without NUL, not empty")
    return path


def is_pillow(photo: object) -> bool:
    """Whether it is an image of Pillow's, which is not imported for that."""
    return any(kind.__module__.startswith("PIL.") and kind.__name__ == "Image" for kind in type(photo).__mro__)


def check_special(path: Path, name: object) -> bool:
    """Whether a path is a pipe, to be read once; UnreadablePhotoError for devices and sockets. Opens nothing."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False  # opening it says why
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        raise UnreadablePhotoError(name, "is a device", "expected a photograph's file or a pipe")
    if stat.S_ISSOCK(mode):
        raise UnreadablePhotoError(name, "is a socket", "expected a photograph's file or a pipe")
    return stat.S_ISFIFO(mode)


def _file(path: Path, name: object) -> Path | bytes:
    if not check_special(path, name):
        return path
    parts, size = [], 0
    try:
        with path.open("rb") as pipe:
            while chunk := pipe.read(_CHUNK):
                size += len(chunk)
                if size > MAX_PIPE_BYTES:
                    raise TooLargeError(
                        name, f"more than {MAX_PIPE_BYTES} bytes came through the pipe", "save it as a file first"
                    )
                parts.append(chunk)
    except FileNotFoundError as error:
        raise MissingPhotoError(name, "there is no such file", "expected a photograph") from error
    except OSError as error:
        raise UnreadablePhotoError(name, f"could not be read ({error.strerror})", "expected a photograph") from error
    return b"".join(parts)


def checked_array(photo: object) -> Samples:
    """An array photograph as [H, W, bands]; UnreadablePhotoError for another type or shape."""
    if not isinstance(photo, np.ndarray) or photo.dtype.newbyteorder("=") not in (np.uint8, np.uint16):
        kind = getattr(photo, "dtype", type(photo).__name__)
        raise UnreadablePhotoError("array", f"of type {kind}", "expected a numpy array of uint8 or uint16")
    if isinstance(photo, np.ma.MaskedArray):
        raise UnreadablePhotoError("array", "has a mask", "expected a plain array; fill it first")
    pixels = np.asarray(photo, photo.dtype.newbyteorder("="))
    pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
    if pixels.ndim != 3 or not 1 <= pixels.shape[2] <= 4 or pixels.size == 0:
        raise UnreadablePhotoError("array", f"of shape {photo.shape}", "expected [H, W] or [H, W, 1 to 4]")
    return pixels


def array_content(array: object) -> bytes:
    """An sRGB array photograph as the content of a PNG file."""
    pixels = checked_array(array)
    height, width, bands = pixels.shape
    kind, grey, colour = ("uchar", "b-w", "srgb") if pixels.dtype == np.uint8 else ("ushort", "grey16", "rgb16")
    image = pyvips.Image.new_from_memory(np.ascontiguousarray(pixels), width, height, bands, kind)
    image = image.copy(interpretation=grey if bands <= 2 else colour)
    return bytes(image.pngsave_buffer(compression=1))


def _pillow_content(image: Any, name: object) -> bytes:
    """A Pillow image as a file's content, with its profile and EXIF (and so its orientation)."""
    mode, info = image.mode, image.info
    profile = info.get("icc_profile")
    if 0 in image.size:
        raise UnreadablePhotoError(name, f"has {image.size[0]} x {image.size[1]} pixels", "expected at least 1 x 1")
    try:
        if mode == "P":
            image = image.convert("RGBA" if "transparency" in info else "RGB")
        elif mode in _TO_RGB:
            image = image.convert(_TO_RGB[mode])
        elif mode.startswith("I"):
            image = _sixteen_bits(image, name)
        elif mode != "CMYK" and mode not in _LEFT_ALONE:
            expected = "expected 1, L, LA, P, RGB, RGBA, CMYK, YCbCr, HSV or I;16; convert it first"
            raise UnreadablePhotoError(name, f"a Pillow image of mode {mode}", expected)
        buffer = io.BytesIO()
        options: dict[str, Any] = {"format": "PNG", "compress_level": 1}
        if mode == "CMYK":
            options = {"format": "TIFF"}
        exif = image.getexif()
        if exif:
            options["exif"] = exif.tobytes() if options["format"] == "PNG" else exif
        if profile:
            options["icc_profile"] = profile
        image.save(buffer, **options)
    except (OSError, SyntaxError, ValueError) as error:  # Pillow reads lazily: a damaged file shows here
        raise UnreadablePhotoError(
            name, f"Pillow could not read it ({error})", "expected a whole photograph"
        ) from error
    return buffer.getvalue()


def _sixteen_bits(image: Any, name: object) -> Any:
    """I;16 of Pillow's other integer modes, if the values are within 16 bits."""
    if image.mode == "I;16":
        return image
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65_535:
        raise UnreadablePhotoError(name, f"values {values.min()}..{values.max()}", "expected 0..65535")
    return image.convert("I").convert("I;16")

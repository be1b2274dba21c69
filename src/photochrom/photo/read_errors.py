"""What to say of an error of a decoder: memory, the temporary folder, or the file itself."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pyvips

from ..errors import UnreadablePhotoError
from .decoders.decoded import DecodeError, MissingDecoderError

DECODING_ERRORS = (pyvips.Error, DecodeError, MissingDecoderError, MemoryError)
"""What decoding raises."""

_MEMORY = ("out of memory", "cannot allocate memory", "unable to allocate")
_TEMPORARY = ("unable to create temporary file", "temporary file", ".v: ", "write failed", "unable to write")


def unreadable(name: object, error: BaseException) -> UnreadablePhotoError:
    """The error to raise instead. Only what is neither memory nor the temporary folder is called damaged."""
    if isinstance(error, MissingDecoderError):
        return UnreadablePhotoError(name, "a HEIC photograph", str(error))
    detail = (error.detail or error.message) if isinstance(error, pyvips.Error) else error
    lines = [line.strip() for line in str(detail).splitlines() if line.strip()]
    found = "; ".join(dict.fromkeys(lines)) or type(error).__name__
    low = found.lower()
    if isinstance(error, MemoryError) or any(word in low for word in _MEMORY):
        return UnreadablePhotoError(name, f"there is not enough memory for it ({found})", "free some memory")
    if isinstance(error, pyvips.Error):
        trouble = _folder_trouble()
        full = os.strerror(errno.ENOSPC).lower() in low
        if full or any(word in low for word in _TEMPORARY) or (trouble and "unix error" in low):
            why = trouble or ("is full" if full else f"could not be used ({found})")
            return UnreadablePhotoError(
                name,
                f"the folder for temporary files, {_folder()}, {why}",
                "set TMPDIR to a folder with free space where files may be written",
            )
    return UnreadablePhotoError(name, f"damaged or cut short ({found})", "expected a whole photograph")


def _folder() -> Path:
    """Where libvips puts temporary files: it asks only the environment."""
    return Path(os.environ.get("TMPDIR") or tempfile.gettempdir())


def _folder_trouble() -> str:
    folder = _folder()
    if not folder.exists():
        return "does not exist"
    if not folder.is_dir():
        return "is not a folder"
    if not os.access(folder, os.W_OK | os.X_OK):
        return "may not be written"
    return ""


class Reading:
    """Turns the decoders' errors into UnreadablePhotoError that says what is at fault: see `unreadable`."""

    def __init__(self, name: object) -> None:
        self.name = name

    def __enter__(self) -> None:
        pyvips.Error("")  # takes what libvips has said of earlier photographs without failing out of its list

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, DECODING_ERRORS):
            raise unreadable(self.name, error) from error

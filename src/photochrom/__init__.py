"""photochrom colours black-and-white photographs.

>>> import photochrom
>>> photochrom.load().colorize("grandmother.jpg")          # HWC uint8, or uint16 for a 16-bit file
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from . import errors
    from .colorizer import Colorizer, colorize, load

__all__ = ["Colorizer", "__version__", "colorize", "errors", "load"]


def __getattr__(name: str) -> Any:
    # ONNX Runtime and libvips take a third of a second to import: only who colours pays for them.
    if name in ("Colorizer", "colorize", "load"):
        from . import colorizer

        return getattr(colorizer, name)
    if name == "errors":
        from importlib import import_module

        return import_module(".errors", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__

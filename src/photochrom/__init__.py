"""photochrom colours black-and-white photographs.

>>> import photochrom
>>> photochrom.load().colorize("grandmother.jpg")          # HWC uint8, or uint16 for a 16-bit file
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .colorizer import Colorizer, colorize, load

__version__ = "0.1.0"
__all__ = ["Colorizer", "__version__", "colorize", "load"]


def __getattr__(name: str) -> Any:
    # ONNX Runtime and libvips take a third of a second to import: only who colours pays for them.
    if name in ("Colorizer", "colorize", "load"):
        from . import colorizer

        return getattr(colorizer, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Large 4:2:0 JPEGs: colour worked out at half resolution, which is all that such a file holds of it.

The photograph is decoded twice: at half size, where the merge gives each pixel the way from its old colour to its new
one; and whole, where that way is added to every 2 x 2 pixels while libvips encodes. The detail inside such a square is
the original's. Its lightness is kept but for what 4:2:0 itself costs: the same chroma on a lighter and a darker pixel.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pyvips
from numpy.typing import NDArray

from ..merge import AbMap, PageMerger, Samples
from .reading import Photo
from .srgb import is_upright_srgb

if TYPE_CHECKING:
    from collections.abc import Callable

HALF = "4:2:0"
LEAST_PIXELS = 2_000_000  # below, the exact merge takes no noticeable time
MOST_PIXELS = 64_000_000  # above, half the resolution would take more memory than the exact merge's strips
_ROWS = 256  # merged at a time: few calls for the interpreter
_THREADS = 2  # more would wait for the interpreter's lock, between numpy's steps


def fits(photo: Photo) -> bool:
    """Whether `photo` is a JPEG, grey or of halved chroma, that streams, is in sRGB and of a size worth it."""
    pixels = photo.width * photo.height
    return (
        photo.format == "jpg"
        and LEAST_PIXELS <= pixels <= MOST_PIXELS
        and (photo.subsampling == HALF or photo.header.bands == 1)
        and is_upright_srgb(photo.header)
    )


def coloured_image(photo: Photo, colours: Callable[[int], AbMap], saturation: float) -> pyvips.Image:
    """The coloured photograph, uint8 sRGB with 3 bands, to be read once from top to bottom.

    colours: a page's number to its colours. Raises UnreadablePhotoError; damage does not come up later.
    """
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="photochrom-merge") as pool:
        predicted = pool.submit(colours, 0)
        with photo.reading():
            image = photo.load(shrink=2)
            half: Samples = image.numpy().reshape(image.height, image.width, image.bands)
        ways = _ways(half, _on_half(predicted.result(), photo, half.shape), saturation, pool)
    height, width = half.shape[:2]
    bands = [pyvips.Image.new_from_memory(way, width, height, 1, "short") for way in ways]
    doubled = bands[0].bandjoin(bands[1:]).zoom(2, 2)
    if (doubled.width, doubled.height) != (photo.width, photo.height):
        doubled = doubled.embed(0, 0, photo.width, photo.height, extend="copy")  # libvips halves 5 to 2
    with photo.reading():
        whole = photo.load()
        if whole.bands == 1:
            whole = whole.colourspace("srgb")
    return (whole + doubled).cast("uchar").copy(interpretation="srgb")


def _on_half(colours: AbMap, photo: Photo, shape: tuple[int, ...]) -> AbMap:
    """The map for the half-size page, which reaches a little less far where the photograph's sides are odd."""
    rows, columns = colours.cells
    return AbMap(colours.ab, (rows * 2 * shape[0] / photo.height, columns * 2 * shape[1] / photo.width))


def _ways(half: Samples, colours: AbMap, saturation: float, pool: ThreadPoolExecutor) -> NDArray[np.int16]:
    """Coloured minus original, in 8-bit codes: int16 [3, height, width]."""
    height, width, _ = half.shape
    merger = PageMerger(colours, height, width, 8, saturation)
    ways = np.empty((3, height, width), np.int16)

    def merge(top: int) -> None:
        strip = half[top : top + _ROWS]
        np.subtract(merger.planes(top, strip), strip.transpose(2, 0, 1), out=ways[:, top : top + _ROWS], dtype=np.int16)

    for done in [pool.submit(merge, top) for top in range(0, height, _ROWS)]:
        done.result()
    return ways

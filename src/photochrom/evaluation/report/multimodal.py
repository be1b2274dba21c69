"""The pixels with the most clearly bimodal colour distributions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ...ab_bins import CENTRES
from ..judges.semantic import merged
from ..photographs import Photograph
from .distributions import two_modes
from .model_view import ModelView
from .thumbnails import marked, thumbnail

AROUND = 5  # cells of the network's map: the square over which a pixel's bimodality is averaged
MARGIN = 0.06  # of a side: pixels at the border are not searched, their mark would be cut off
KEPT = 4  # pixels a model
LEAST = 0.03  # bimodality of a pixel that is shown: flat distributions reach 0.003 by the plane's edges alone


@dataclass(frozen=True)
class MultimodalPixel:
    """A pixel with two likely colours, at most one of a photograph.

    photograph: its name; probabilities: float32 [313]; lightness: CIE L; first, second: the modes' (a, b); masses: the
    probability around each; true_ab, given_ab: the photograph's and the system's (a, b) there; grey, coloured: pictures
    with the pixel marked; bimodality: see distributions.two_modes, averaged over its surroundings.
    """

    photograph: str
    probabilities: NDArray[np.float32]
    lightness: float
    first: tuple[float, float]
    second: tuple[float, float]
    first_mass: float
    second_mass: float
    true_ab: tuple[float, float]
    given_ab: tuple[float, float]
    grey: bytes
    coloured: bytes
    bimodality: float


@dataclass(frozen=True)
class _Found:
    """The most bimodal cell of a photograph."""

    name: str
    bimodality: float
    row: int
    column: int


def most_multimodal(
    views: Sequence[ModelView], names: Sequence[str], read: Callable[[str], Photograph | None], step: Callable[[], None]
) -> dict[str, tuple[MultimodalPixel, ...]]:
    """Of each network that gives distributions, by the name of its first system: its KEPT most bimodal pixels among the
    photographs `names`, clearest first; none whose bimodality is below LEAST.

    read: gives a photograph by name, None where it cannot be read; step: called after each photograph.
    """
    # Temperature and saturation leave the distribution as it is: one view of a network will do.
    views = list({id(view.colorizer): view for view in reversed(views) if view.has_probabilities}.values())[::-1]
    found: dict[str, list[_Found]] = {view.system: [] for view in views}
    for name in names:
        if (photograph := read(name)) is not None:
            for view in views:
                row, column, bimodality = clearest(view.probabilities(photograph), *view.cells(photograph))
                best = found[view.system]
                best.append(_Found(name, bimodality, row, column))
                best.sort(key=lambda each: -each.bimodality)
                del best[KEPT:]
        step()
    return {
        view.system: tuple(
            _pixel(view, photograph, each)
            for each in found[view.system]
            if each.bimodality >= LEAST and (photograph := read(each.name)) is not None
        )
        for view in views
    }


def clearest(probabilities: NDArray[np.float32], rows: float, columns: float) -> tuple[int, int, float]:
    """(row, column, bimodality) of the clearest cell of distributions [313, h, w], of which the photograph covers
    rows x columns cells.

    A single cell between two surfaces has two colours because it is unsure where the edge is. So a cell scores at most
    the mean of the AROUND x AROUND cells around it, which favours whole surfaces.
    """
    height, width = max(1, int(rows)), max(1, int(columns))
    own = two_modes(probabilities[:, :height, :width]).bimodality
    reach = AROUND // 2
    about = sliding_window_view(np.pad(own, reach, mode="symmetric"), (AROUND, AROUND)).mean((-1, -2))
    score = np.minimum(own, about)
    top, left = int(np.ceil(height * MARGIN)), int(np.ceil(width * MARGIN))
    if height > 2 * top and width > 2 * left:
        score = score[top : height - top, left : width - left]
    else:
        top = left = 0
    row, column = divmod(int(score.argmax()), score.shape[1])
    return row + top, column + left, float(score[row, column])


def _pixel(view: ModelView, photograph: Photograph, found: _Found) -> MultimodalPixel:
    height, width = photograph.rgb.shape[:2]
    rows, columns = view.cells(photograph)
    down, along = (found.row + 0.5) * height / rows, (found.column + 0.5) * width / columns  # the cell's centre
    half_down, half_along = max(0.5, height / rows / 2), max(0.5, width / columns / 2)
    cell = np.s_[
        int(down - half_down) : max(int(down + half_down), int(down - half_down) + 1),
        int(along - half_along) : max(int(along + half_along), int(along - half_along) + 1),
    ]
    distribution = view.probabilities(photograph)[:, found.row, found.column]
    modes = two_modes(distribution)
    given = view.ab_at(photograph, view.temperatures[:1])[0]
    grey, coloured = merged(photograph, np.zeros_like(given)), merged(photograph, given)
    return MultimodalPixel(
        photograph=found.name,
        probabilities=distribution.copy(),
        lightness=float(photograph.lightness[cell].mean()),
        first=_colour(CENTRES[int(modes.first)]),
        second=_colour(CENTRES[int(modes.second)]),
        first_mass=float(modes.first_mass),
        second_mass=float(modes.second_mass),
        true_ab=_colour(photograph.ab[cell].mean((0, 1))),
        given_ab=_colour(given[cell].mean((0, 1))),
        grey=thumbnail(marked(grey, down, along)),
        coloured=thumbnail(marked(coloured, down, along)),
        bimodality=found.bimodality,
    )


def _colour(ab: NDArray) -> tuple[float, float]:
    return float(ab[0]), float(ab[1])

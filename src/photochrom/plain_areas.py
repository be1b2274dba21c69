"""Areas without content: paper, borders, mounts, empty pages, plain backdrops. They stay neutral.

A network has to give each pixel a colour, also where the photograph shows nothing that has one: borders turn
yellow and backdrops become rainbows. Such areas are found in the lightness that the network sees, and the chroma there
is reduced:

- paper: an area of slowly varying lightness along the whole of at least three sides, or all over. Text and the thin
  lines of drawings count as part of it;
- backdrops: other areas of slowly varying lightness that cover at least LEAST_AREA.

What the network sees as sky or leaves (blue or green on average, see `_is_outdoors`) keeps its colour, unless it is
paper as light or dark as a sheet or a mount. The thresholds were chosen on the even half of the validation set
(docs/old-prints.md).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyvips
from numpy.typing import NDArray

from .contrast import MOST, OUTLIERS
from .forks import before_libvips
from .merge import AbMap, bilinear

VERSION = 1  # of the rules below: kept scores of another one are not used
FLAT = 2.0  # CIE L: the range within 3 x 3 pixels (after a 3 x 3 mean) up to which they are flat; of a faded one, less
LEAST_AREA = 0.04  # share of the photograph that a backdrop covers at least
STROKE = 5  # pixels on either side: dark strokes up to 10 pixels wide are part of the paper
RIM = 3  # pixels along an area's edge that are not flat, since the smoothing reaches across
SIDES = 3  # of the photograph's four that paper covers whole
WHOLE = 0.97  # share of a side that counts as all of it
WITH_STROKES = 0.5  # and of a side that text and lines may cross
PAGE = 0.9  # share of the photograph: with the strokes filled, nothing but paper is there
UNEVEN = 1.5  # times FLAT, within such a page
PAPER_RANGE = 25.0  # CIE L: more than uneven lighting of a sheet is a scene
PAPER_DARK, PAPER_LIGHT = 35.0, 85.0  # CIE L: no sky or lawn is darker or lighter all over
HUES = (105.0, 300.0)  # degrees in the ab plane, of leaves to sky
BACKDROP_CHROMA = 0.1  # what is left of a backdrop's chroma
FULL_RANGE = 60.0  # CIE L: photographs with less contrast get proportionally less chroma

Lightness = NDArray[np.float32]
Mask = NDArray[np.bool_]


def restrained(colours: AbMap, lightness: Lightness) -> AbMap:
    """Colours with the chroma reduced in plain areas, and everywhere by how faded the photograph is.

    lightness: float [H, W], CIE L 0..100, that the colours were predicted from. Without plain areas the map keeps its
    size; with them it comes back at the lightness' size, so that the colours stop at the areas' edges.
    """
    before_libvips()
    factor = chroma_factor(lightness)
    threshold = FLAT * max(factor, 1 / MOST)
    flat = _is_flat(_mean3(lightness), threshold)
    if flat.mean() < LEAST_AREA:
        return _scaled(colours, factor)
    height, width = lightness.shape
    full = AbMap(bilinear(colours.ab, height, width, colours.cells), (height, width))
    paper = _paper(lightness, flat, threshold)
    sheet = np.any(paper, axis=0) if paper else np.zeros(lightness.shape, bool)
    if paper:
        factor = chroma_factor(lightness, _beyond(sheet))
    areas = [(area, 0.0) for area in paper if _is_sheet(lightness[area]) or not _is_outdoors(full.ab[:, area])]
    backdrops = _regions(flat & ~sheet)
    areas += [(area, BACKDROP_CHROMA) for area in backdrops if not _is_outdoors(full.ab[:, area])]
    if not areas:
        return _scaled(colours, factor)
    kept = np.full(lightness.shape, factor, np.float32)
    for area, share in areas:
        kept *= 1 - (1 - share) * _mean3(area.astype(np.float32))
    return replace(full, ab=full.ab * kept)


def chroma_factor(lightness: Lightness, where: Mask | None = None) -> float:
    """How much of the chroma a photograph of this contrast keeps, 0..1: a faded print's colours are as faded.

    lightness: float, CIE L; where: the pixels that count (too few: all of them).
    """
    if where is not None and where.mean() >= LEAST_AREA:
        lightness = lightness[where]
    low, high = np.percentile(lightness.ravel()[::4], (OUTLIERS, 100 - OUTLIERS))
    return min(1.0, float(high - low) / FULL_RANGE)


def without_paper(lightness: Lightness) -> Lightness:
    """The lightness [n] of the pixels that are not paper; of all if hardly anything else is there."""
    threshold = FLAT * max(chroma_factor(lightness), 1 / MOST)
    paper = _paper(lightness, _is_flat(_mean3(lightness), threshold), threshold)
    if paper and (rest := _beyond(np.any(paper, axis=0))).mean() >= LEAST_AREA:
        return lightness[rest]
    return lightness.ravel()


def _scaled(colours: AbMap, factor: float) -> AbMap:
    return colours if factor == 1 else replace(colours, ab=colours.ab * np.float32(factor))


def _is_outdoors(ab: NDArray[np.float32]) -> bool:
    """Whether the mean of colours [2, n] is that of sky or leaves: its hue from yellowish green to blue, not violet."""
    a, b = ab.mean(axis=1)
    return bool(HUES[0] <= np.degrees(np.arctan2(b, a)) % 360 <= HUES[1])


def _is_sheet(lightness: NDArray[np.float32]) -> bool:
    return not PAPER_DARK <= float(np.median(lightness)) <= PAPER_LIGHT


def _is_flat(smooth: Lightness, threshold: float) -> Mask:
    return _largest(smooth, 1) + _largest(-smooth, 1) < threshold


def _paper(lightness: Lightness, flat: Mask, threshold: float) -> list[Mask]:
    """The areas that are paper: as they are, and with thin dark strokes filled."""
    if sum(side.mean() > WITH_STROKES for side in _sides(flat)) < SIDES:
        return []
    smooth = _mean3(lightness)
    filled = -_largest(-_largest(smooth, STROKE), STROKE)
    for area in _regions(_is_flat(filled, UNEVEN * threshold)):
        if area.mean() > PAGE:
            return [np.ones_like(area)]
    found = []
    for level, even in ((smooth, flat), (filled, _is_flat(filled, threshold))):
        for area in _regions(even):
            if sum(side.mean() > WHOLE for side in _sides(area)) < SIDES:
                continue
            if np.subtract(*np.percentile(level[area], (95, 5))) < PAPER_RANGE:
                found.append(_grown(area, level, threshold))
    return found


def _grown(area: Mask, level: Lightness, threshold: float) -> Mask:
    """An area with its rim, which is not flat since the smoothing reaches across: what is as light as the area beside
    it. Strokes that `level` has filled are in it."""
    low = -_largest(np.where(area, -level, -np.inf), RIM)
    high = _largest(np.where(area, level, -np.inf), RIM)
    return area | ((level >= low - threshold) & (level <= high + threshold) & np.isfinite(low))


def _beyond(area: Mask) -> Mask:
    """What is not in the area nor at its rim, where pixels mix."""
    beyond: Mask = _largest(area.astype(np.float32), RIM) == 0
    return beyond


def _sides(mask: Mask) -> tuple[Mask, Mask, Mask, Mask]:
    return mask[0], mask[-1], mask[:, 0], mask[:, -1]


def _regions(mask: Mask) -> list[Mask]:
    """The connected regions of a mask that cover at least LEAST_AREA of it all, looked for in steps of 2 x 2 pixels,
    which is four times as fast."""
    height, width = mask.shape
    padded = np.pad(mask, ((0, height % 2), (0, width % 2)), mode="edge")
    coarse = padded.reshape(padded.shape[0] // 2, 2, padded.shape[1] // 2, 2).all((1, 3))
    if coarse.mean() < LEAST_AREA:
        return []
    rows, columns = coarse.shape
    image = pyvips.Image.new_from_memory(coarse.astype(np.uint8).tobytes(), columns, rows, 1, "uchar")
    labels: NDArray[np.int32] = image.labelregions().numpy().reshape(rows, columns)
    counts = np.bincount(labels[coarse])
    large = np.flatnonzero(counts >= LEAST_AREA * coarse.size)
    return [(labels == label).repeat(2, axis=0).repeat(2, axis=1)[:height, :width] for label in large]


def _mean3(field: Lightness) -> Lightness:
    """The mean over 3 x 3 pixels, edges repeated."""
    padded = np.pad(field, 1, mode="edge")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    mean: Lightness = (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) * np.float32(1 / 9)
    return mean


def _largest(field: Lightness, radius: int) -> Lightness:
    """The maximum over a square of 2 radius + 1 pixels, edges repeated."""
    padded = np.pad(field, radius, mode="edge")
    for _ in range(2):  # along the rows, then along the columns
        length = len(padded) - 2 * radius
        most = padded[:length].copy()
        for first in range(1, 2 * radius + 1):
            np.maximum(most, padded[first : first + length], out=most)
        padded = most.T
    return padded

"""The report's plots over the ab plane: which colours a system uses, and one pixel's distribution over the bins.

Right is red, left green, up yellow, down blue; the middle is grey. Also the scales of pictures that have one.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...ab_bins import CENTRES, Q
from ...color import lab_to_linear, lab_to_rgb
from ..results import AB_CELL, AB_CELLS
from .distributions import densest, shares
from .multimodal import MultimodalPixel
from .plot_style import FAINT, INK, drawing, png, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT = 3.0, 2.74  # inches: with the labels the plane itself is square
LIMIT = 115  # ab units shown on either side of grey
GREY = 65  # L of grey in the plane of all colours
TINTS = (50, 55, 60, 65, 70)  # L at which a colour of the background exists in sRGB
LEAST, MOST = -6.0, -2.0  # log10 of the share of pixels in a cell: the ends of the scale
COVERED = 0.99  # of the original's pixels, within the line
LEAST_PROBABILITY = 5e-4  # of a bin that is drawn
AREA = 9000.0  # square points of a bin with probability 1
MOST_AREA = 1200.0  # square points: a certain bin would hide the plane


@lru_cache(maxsize=1)
def words_plane() -> bytes:
    """The ab plane as SVG, named: every ab that sRGB has, at the lightness nearest to GREY at which it exists."""
    figure, axes = drawing(HEIGHT, WIDTH)
    axis = np.arange(-LIMIT, LIMIT + 1.0)
    ab = np.stack(np.meshgrid(axis, axis, indexing="xy"), -1)
    picture = np.ones((*ab.shape[:2], 3))
    left = np.ones(ab.shape[:2], dtype=bool)
    for level in sorted(range(2, 99), key=lambda level: abs(level - GREY)):
        lab = np.concatenate([np.full((int(left.sum()), 1), float(level)), ab[left]], -1)
        linear = lab_to_linear(lab)
        exists = ((linear >= 0) & (linear <= 1)).all(-1)
        found = np.zeros_like(left)
        found[left] = exists
        picture[found] = lab_to_rgb(lab[exists])
        left &= ~found
    edge = LIMIT + 0.5
    axes.imshow(picture, origin="lower", extent=(-edge, edge, -edge, edge), interpolation="nearest")
    _plane_axes(axes)
    for text, a, b, along in (("red", 113, 4, "right"), ("green", -113, 4, "left"), ("yellow", 4, 102, "left"),
                              ("blue", -4, -112, "right"), ("grey", 4, 4, "left")):  # fmt: skip
        axes.text(a, b, text, ha=along, va="bottom", weight="bold")
    axes.plot(0, 0, "o", color=INK, markersize=4)
    return svg(figure)


def ab_plane(ab_counts: NDArray[np.int64], true_ab_counts: NDArray[np.int64]) -> bytes:
    """Counts [64, 64] over the ab plane (results.AB_CELL) as SVG: cells in their own colours, the stronger the more
    pixels; pale where there are none. A line encloses COVERED of the originals' pixels, true_ab_counts."""
    figure, axes = drawing(HEIGHT, WIDTH)
    edge = AB_CELLS * AB_CELL / 2
    picture = _cells(shares(ab_counts))
    axes.imshow(picture.transpose(1, 0, 2), origin="lower", extent=(-edge, edge, -edge, edge), interpolation="nearest")
    truth = _smooth(shares(true_ab_counts))
    level = densest(truth, COVERED)
    if truth.min() < level <= truth.max():
        centres = (np.arange(AB_CELLS) + 0.5) * AB_CELL - edge
        axes.contour(centres, centres, truth.T, levels=[level], colors=INK, linewidths=1.0)
    _plane_axes(axes)
    return svg(figure)


def share_scale() -> bytes:
    """The colour scale of `ab_plane`: saturation by share of pixels, as SVG."""
    steps = np.linspace(LEAST, MOST, 256)
    ramp = np.stack([_colour(np.array([hue]), _strength(steps)) for hue in ((0.0, 0.0), (45.0, 35.0), (-35.0, 35.0),
                                                                            (10.0, -45.0))])  # fmt: skip
    figure, axes = drawing(0.85, 3.6)
    axes.imshow(ramp, aspect="auto", extent=(LEAST, MOST, 0, len(ramp)), interpolation="nearest")
    ticks = np.arange(LEAST, MOST + 1)
    axes.set(yticks=[], xticks=ticks, xlabel="share of the pixels in one cell")
    axes.set_xticklabels([f"{100 * 10.0**tick:f}".rstrip("0").rstrip(".") + "%" for tick in ticks])
    axes.spines[:].set_visible(False)
    return svg(figure)


def entropy_scale(low: float, high: float) -> bytes:
    """The colours of entropy maps between two values (natural logarithms), as SVG."""
    figure, axes = drawing(0.85, 3.6)
    axes.imshow(np.linspace(0, 1, 256)[None], aspect="auto", extent=(low, high, 0, 1), cmap="viridis")
    axes.set(yticks=[], xlabel="entropy: surer to the left")
    axes.spines[:].set_visible(False)
    return svg(figure)


def entropy_map(entropy: NDArray[np.floating], low: float, high: float) -> NDArray[np.uint8]:
    """Entropies [h, w] between low and high nats as viridis colours uint8 [h, w, 3]."""
    from matplotlib import colormaps

    scaled = (entropy - low) / max(high - low, 1e-9)
    return np.round(255 * colormaps["viridis"](np.clip(scaled, 0, 1))[..., :3]).astype(np.uint8)


def bin_plane(pixel: MultimodalPixel) -> bytes:
    """A pixel's distribution over the 313 bins as PNG: circles in the bins' colours, their area the probability; the
    original's colour as a cross, the given one as a ring."""
    figure, axes = drawing(HEIGHT, WIDTH)
    a, b = CENTRES.T
    axes.scatter(a, b, s=2, color=FAINT, linewidths=0)
    likely = np.flatnonzero(pixel.probabilities >= LEAST_PROBABILITY)
    likely = likely[np.argsort(-pixel.probabilities[likely])]  # large ones first, so that none is hidden
    area = np.minimum(AREA * pixel.probabilities[likely], MOST_AREA)
    axes.scatter(a[likely], b[likely], s=area, c=bin_colours(pixel.lightness)[likely], edgecolors="#555555",
                 linewidths=0.4)  # fmt: skip
    for colour, width in (("white", 4.0), ("black", 1.8)):
        ring = 90 if colour == "black" else 92
        axes.scatter(*pixel.given_ab, s=ring, facecolors="none", edgecolors=colour, linewidths=width, zorder=4)
        axes.scatter(*pixel.true_ab, s=80, marker="+", color=colour, linewidths=width, zorder=5)
    _plane_axes(axes)
    return png(figure)


def bin_colours(lightness: float) -> NDArray[np.float64]:
    """Of the bins [313, 3] in sRGB 0..1, at a pixel's L, moved into 50..75 where colours can be told apart."""
    level = np.full((Q, 1), np.clip(lightness, 50, 75))
    return lab_to_rgb(np.concatenate([level, CENTRES], axis=1)).astype(np.float64)


def _plane_axes(axes: Axes) -> None:
    for line in (axes.axhline, axes.axvline):
        line(0, color="#bdbdbd", linewidth=0.6, zorder=0.5)
    ticks = (-100, -50, 0, 50, 100)
    axes.set(xlim=(-LIMIT, LIMIT), ylim=(-LIMIT, LIMIT), xticks=ticks, yticks=ticks, aspect="equal")
    axes.set(xlabel="a: green – red", ylabel="b: blue – yellow")


def _strength(log_share: NDArray[np.floating]) -> NDArray[np.float64]:
    """0.25 (at LEAST) .. 1 (at MOST): any occupied cell stands out from the background."""
    return 0.25 + 0.75 * np.clip((log_share - LEAST) / (MOST - LEAST), 0, 1)


def _colour(ab: NDArray[np.floating], strength: NDArray[np.floating]) -> NDArray[np.float64]:
    """sRGB 0..1 [..., 3]: darker and more vivid the stronger, from pale (0) to the colour itself (1)."""
    lightness = 95 - 45 * strength
    vivid = (0.12 + 0.88 * strength)[..., None] * ab
    return lab_to_rgb(np.concatenate([lightness[..., None], vivid], axis=-1)).astype(np.float64)


@lru_cache(maxsize=1)
def _background() -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The cells' colours [64, 64, 2], and which of them exist in sRGB at any L of TINTS."""
    centres = (np.arange(AB_CELLS) + 0.5) * AB_CELL - AB_CELLS * AB_CELL / 2
    ab = np.stack(np.meshgrid(centres, centres, indexing="ij"), -1)
    exists = np.zeros(ab.shape[:2], dtype=bool)
    for level in TINTS:
        linear = lab_to_linear(np.concatenate([np.full((*ab.shape[:2], 1), level), ab], -1))
        exists |= ((linear >= 0) & (linear <= 1)).all(-1)
    return ab, exists


def _cells(share: NDArray[np.float64]) -> NDArray[np.float64]:
    ab, exists = _background()
    used = share > 0
    log_share = np.log10(share, where=used, out=np.full(share.shape, LEAST))
    picture = _colour(ab, np.where(used, _strength(log_share), 0.06))
    picture[~used & ~exists] = 1
    return picture


def _smooth(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Averaged over 3x3 cells, so that a line around it is not ragged."""
    padded = np.pad(share, 1)
    shifts = [padded[i : i + AB_CELLS, j : j + AB_CELLS] for i in range(3) for j in range(3)]
    return np.mean(shifts, axis=0)

"""Plots of a training set's colours: the prior over the ab plane, and what `photochrom data stats` counts.

Needs matplotlib, of the extra `eval`; it is imported only here, when a picture is drawn.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .. import ab_bins
from ..color import lab_to_rgb
from ..errors import SettingError
from .photograph import NEAR_GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .stats import Stats

LIGHTNESS = 50  # L at which the bins' colours are shown
DOTS = 150  # per inch
LIMITS = (-120, 120)  # ab units shown


def require_matplotlib() -> None:
    """Raise SettingError where pictures cannot be drawn: before hours of measuring, not after."""
    if importlib.util.find_spec("matplotlib") is None:
        raise SettingError("--plot needs matplotlib, which is not installed; run: pip install 'photochrom[eval]'")


def prior_figure(prior: NDArray[np.float64], title: str) -> Figure:
    """The 313 bins over the ab plane, as the paper's figure 3: their colours, and log10 of the prior [313].

    Bins that never occur are left white.
    """
    figure = _figure(10.5, 4.8)
    colours, frequency = figure.subplots(1, 2)
    lab = np.column_stack([np.full(ab_bins.Q, LIGHTNESS), ab_bins.CENTRES])
    _show_bins(colours, lab_to_rgb(lab.astype(np.float64)))
    colours.set_title(f"the {ab_bins.Q} bins, at L = {LIGHTNESS}")
    _draw_prior(figure, frequency, prior)
    frequency.set_title(title)
    return figure


def stats_figure(stats: Stats, title: str) -> Figure:
    """Sizes, chroma and colours of a set of photographs."""
    from matplotlib.ticker import ScalarFormatter

    figure = _figure(14, 4.6)
    sizes, chroma, frequency = figure.subplots(1, 3)
    sides = np.concatenate([stats.short_sides, stats.long_sides])
    edges = np.geomspace(max(1, sides.min()), sides.max() + 1, 40)
    for values, name in ((stats.short_sides, "short side"), (stats.long_sides, "long side")):
        sizes.hist(values, bins=edges, alpha=0.6, label=name)
    sizes.set_xscale("log", base=2)
    sizes.xaxis.set_major_formatter(ScalarFormatter())
    sizes.set(xlabel="side (pixels)", ylabel="photographs", title="sizes")
    sizes.legend()
    chroma.hist(stats.chromas, bins=60, color="tab:purple")
    chroma.set(xlabel="mean chroma of a photograph (ab units)", ylabel="photographs")
    chroma.set_title(f"near-grey (no |a|, |b| above {NEAR_GREY:g}): {100 * stats.grey_share:.1f}%")
    _draw_prior(figure, frequency, stats.prior)
    frequency.set_title("colours")
    figure.suptitle(title)
    return figure


def save(figure: Figure, file: Path) -> None:
    """Write a picture as PNG, whatever the file is called."""
    figure.savefig(file, format="png", dpi=DOTS)


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure  # not pyplot: no window system, no state

    return Figure((width, height), layout="constrained")


def _draw_prior(figure: Figure, axes: Axes, prior: NDArray[np.float64]) -> None:
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    occurs = prior > 0
    logarithm = np.log10(prior, where=occurs, out=np.full(ab_bins.Q, np.nan))
    lowest, highest = (float(np.nanmin(logarithm)), float(np.nanmax(logarithm))) if occurs.any() else (-1.0, 0.0)
    scale = ScalarMappable(Normalize(lowest, highest), colormaps["viridis"])
    colours = np.ones((ab_bins.Q, 3))
    colours[occurs] = scale.to_rgba(logarithm[occurs])[:, :3]
    _show_bins(axes, colours)
    figure.colorbar(scale, ax=axes, label="log10 of the share of pixels")


def _show_bins(axes: Axes, colours: NDArray[np.floating]) -> None:
    """Each bin as a square of GRID ab units in its colour [313, 3], 0..1."""
    first = LIMITS[0]
    cells = (LIMITS[1] - first) // ab_bins.GRID + 1
    plane = np.ones((cells, cells, 3))
    a, b = ((ab_bins.CENTRES - first) // ab_bins.GRID).T
    plane[b, a] = colours
    half = ab_bins.GRID / 2
    edges = (first - half, LIMITS[1] + half)
    axes.imshow(plane, origin="lower", extent=(*edges, *edges), interpolation="nearest")
    axes.set(xlabel="a: green to red (CIE units)", ylabel="b: blue to yellow (CIE units)", aspect="equal")

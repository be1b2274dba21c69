"""The report's line plots: cumulative errors, chroma, temperature. Each gives SVG bytes of one plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..results import AB_CELL, AB_CELLS, CURVE_POINTS, Evaluation, SystemResult
from .distributions import shares
from .plot_style import INK, Style, drawing, svg
from .score_tables import is_baseline
from .temperature_sweep import Sweep

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEIGHT = 3.6  # inches
NEARLY_ALL = 0.995  # of the pixels: where every curve is above it, the plot ends
LEAST_SHARE = 1e-5  # of the pixels: where the plots of chroma end
CHROMA_CLASS = 2 * AB_CELL  # ab units: a class of chroma; finer ones would show the cells' grid, not the colours
PLAIN, REBALANCED = 0, 1  # rows of SystemResult.curves


def error_curves(systems: Sequence[SystemResult], look: Mapping[str, Style], row: int) -> bytes:
    """Share of pixels (%) by error (ab units), PLAIN or REBALANCED; as far right as `curve_end`."""
    figure, axes = drawing(HEIGHT)
    end = curve_end(systems, row)
    for system in _behind(systems):
        style = look[system.name]
        axes.plot(100 * system.curves[row], color=style.colour, linestyle=style.line, linewidth=style.width)
    what = "pixels, each colour counting alike (%)" if row == REBALANCED else "pixels (%)"
    axes.set(xlim=(0, end), ylim=(0, 102), xlabel="colour error, at most (ab units)", ylabel=what)
    axes.grid(True)
    return svg(figure)


def curve_end(systems: Sequence[SystemResult], row: int) -> int:
    """The first multiple of 10 ab units at which every curve has reached NEARLY_ALL, at most 150."""
    late = max(int((system.curves[row] < NEARLY_ALL).sum()) for system in systems)
    return int(min(CURVE_POINTS - 1, 10 * np.ceil(max(late, 10) / 10)))


def chroma_histogram(evaluation: Evaluation, look: Mapping[str, Style]) -> bytes:
    """The marginal distribution of chroma: share of pixels (%) in each class of it, logarithmic."""
    figure, axes = drawing(HEIGHT)
    for counts, style, system in _ab_counts(evaluation, look):
        edges, share = chroma_classes(counts)
        _steps(axes, share, edges, style, filled=system is None)
    _chroma_axes(axes, evaluation, "pixels of that vividness (%)")
    return svg(figure)


def chroma_at_least(evaluation: Evaluation, look: Mapping[str, Style]) -> bytes:
    """Share of pixels (%) with at least the chroma at the left end of each class, logarithmic."""
    figure, axes = drawing(HEIGHT)
    for counts, style, system in _ab_counts(evaluation, look):
        edges, share = chroma_classes(counts)
        _steps(axes, share[::-1].cumsum()[::-1], edges, style, filled=system is None)
    _chroma_axes(axes, evaluation, "pixels at least that vivid (%)")
    return svg(figure)


def chroma_classes(ab_counts: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of counts [64, 64] over the ab plane (results.AB_CELL): edges of chroma [k + 1], CHROMA_CLASS ab units apart, and
    the share of pixels in each class [k], 0..1.

    A cell is counted whole, where its centre is: one colour stays in one class.
    """
    centres = (np.arange(AB_CELLS) + 0.5) * AB_CELL - AB_CELLS * AB_CELL / 2
    classes = (np.hypot(centres[:, None], centres) / CHROMA_CLASS).astype(np.int64)
    share = np.bincount(classes.ravel(), weights=shares(ab_counts).ravel()).astype(np.float64)
    return np.arange(len(share) + 1, dtype=np.float64) * CHROMA_CLASS, share


def _steps(axes: Axes, share: NDArray[np.float64], edges: NDArray[np.float64], style: Style, *, filled: bool) -> None:
    """Shares 0..1 of classes as steps; beyond the outermost ones with LEAST_SHARE there is no line."""
    used = np.flatnonzero(share >= LEAST_SHARE)
    if not used.size:
        return
    first, last = used[0], used[-1] + 1
    height, floor = 100 * np.maximum(share[first:last], LEAST_SHARE), 100 * LEAST_SHARE
    if filled:
        axes.stairs(height, edges[first : last + 1], baseline=floor, fill=True, color=style.colour, linewidth=0)
    else:
        axes.stairs(height, edges[first : last + 1], baseline=floor, color=style.colour, linestyle=style.line,
                    linewidth=style.width, zorder=2)  # fmt: skip


def _ab_counts(
    evaluation: Evaluation, look: Mapping[str, Style]
) -> list[tuple[NDArray[np.int64], Style, SystemResult | None]]:
    """The originals' counts (no system), drawn behind, then those of the systems that colour anything."""
    truth = [(evaluation.true_ab_counts, Style("#dedede", ()), None)]
    rest = [s for s in _behind(evaluation.systems) if not is_baseline(s, "truth", "grey")]
    return truth + [(system.ab_counts, look[system.name], system) for system in rest]


def _chroma_axes(axes: Axes, evaluation: Evaluation, label: str) -> None:
    from matplotlib.ticker import FuncFormatter

    ends = []
    for counts in (evaluation.true_ab_counts, *(system.ab_counts for system in evaluation.systems)):
        edges, share = chroma_classes(counts)
        ends.append(edges[1:][share[::-1].cumsum()[::-1] >= LEAST_SHARE].max(initial=20))
    axes.set_yscale("log")
    axes.set(xlim=(0, max(ends)), ylim=(100 * LEAST_SHARE, 130))
    axes.set(xlabel="vividness: distance from grey (ab units)", ylabel=label)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid(True)


def temperature_errors(sweeps: Sequence[Sweep], look: Mapping[str, Style]) -> bytes:
    """RMSE (ab units) by temperature."""
    return _by_temperature(sweeps, look, [each.rmse for each in sweeps], "error, RMSE (ab units)", None)


def temperature_colourfulness(sweeps: Sequence[Sweep], look: Mapping[str, Style], original: float) -> bytes:
    """Colourfulness by temperature; a line marks the originals'."""
    values = [each.colourfulness for each in sweeps]
    return _by_temperature(sweeps, look, values, "colourfulness", original)


def _by_temperature(
    sweeps: Sequence[Sweep],
    look: Mapping[str, Style],
    values: Sequence[NDArray[np.float64]],
    label: str,
    original: float | None,
) -> bytes:
    figure, axes = drawing(HEIGHT)
    for each, value in zip(sweeps, values, strict=True):
        style = look[each.system]
        axes.plot(each.temperatures, value, "o", color=style.colour, markersize=3.5)
        axes.plot(each.temperatures, value, color=style.colour, linestyle=style.line, linewidth=style.width)
        own = [each.temperatures.index(temperature) for temperature in each.own]
        axes.plot(np.take(each.temperatures, own), value[own], "o", markersize=10, markerfacecolor="none",
                  markeredgecolor=style.colour, markeredgewidth=1.6, clip_on=False)  # fmt: skip
    if original is not None:
        axes.axhline(original, color="#111111", linewidth=1.2, linestyle=(0, (6, 3)))
        axes.annotate("the originals", (1, original), xycoords=("axes fraction", "data"), xytext=(0, 4),
                      textcoords="offset points", ha="right", color=INK)  # fmt: skip
    low, high = axes.get_ylim()
    axes.set(xlim=(-0.03, max(1.03, *(max(each.temperatures) for each in sweeps))))
    axes.set(ylim=(max(0, low - 0.05 * (high - low)), high + 0.08 * (high - low)))
    axes.set(xlabel="temperature: 0 is the likeliest colour, 1 the mean", ylabel=label)
    axes.grid(True)
    return svg(figure)


def _behind(systems: Sequence[SystemResult]) -> list[SystemResult]:
    """Baselines first, so that models are drawn over them."""
    return sorted(systems, key=lambda system: system.kind == "model")

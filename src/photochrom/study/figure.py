"""The report's figure: how often each algorithm's photographs were taken for real, the paper's figures beneath."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..evaluation.report.paper import TABLE_1
from ..evaluation.report.plot_style import INK, drawing, svg
from .analysis import AlgorithmResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW = 0.3  # inches
MARGIN = 0.9  # inches: for the axis and its label
MEASURED = "#0072B2"  # of Okabe and Ito's palette, as in the evaluation's report
PAPER = "#8c8c8c"
CHANCE = 50.0  # %


def shares_figure(algorithms: Sequence[AlgorithmResult]) -> bytes:
    """SVG: a row an algorithm with both intervals, then the paper's Table 1, for which there are no intervals here."""
    measured = [each for each in algorithms if each.main.share is not None]
    paper = [(row.name, row.taken_for_real) for row in TABLE_1 if row.taken_for_real is not None]
    rows = len(measured) + len(paper) + 1  # one between them
    figure, axes = drawing(height=MARGIN + ROW * rows)
    axes.axvline(CHANCE, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    for y, each in enumerate(measured):
        _draw(axes, rows - 1 - y, each)
    for y, (_, share) in enumerate(paper):
        axes.plot(share, len(paper) - 1 - y, "D", color=PAPER, markerfacecolor="white", markersize=5.5)
    places = [*range(rows - 1, len(paper), -1), *range(len(paper) - 1, -1, -1)]
    axes.set_yticks(places, [*(each.algorithm for each in measured), *(f"{name} (paper)" for name, _ in paper)])
    for label in axes.get_yticklabels()[len(measured) :]:
        label.set_color("#6b6b6b")
    axes.tick_params(axis="y", length=0)
    axes.axhline(len(paper), color="#d9d9d9", linewidth=0.8)
    highest = max([60.0, *(100 * each.main.over_both.high + 2 for each in measured if each.main.over_both)])
    axes.set_xlim(0, min(100, highest))
    axes.set_ylim(-0.6, rows - 0.4)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.set_xlabel("coloured photograph taken for real, %")
    return svg(figure)


def _draw(axes: Axes, y: float, result: AlgorithmResult) -> None:
    both, people = result.main.over_both, result.main.over_participants
    if both is not None:
        axes.plot([100 * both.low, 100 * both.high], [y, y], color=MEASURED, linewidth=2, solid_capstyle="butt")
    if people is not None:
        axes.plot([100 * people.low, 100 * people.high], [y, y], color=MEASURED, linewidth=6, solid_capstyle="butt")
    if result.main.share is not None:
        axes.plot(100 * result.main.share, y, "o", color="white", markeredgecolor=MEASURED, markersize=6)

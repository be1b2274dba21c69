"""Figure 7 of the paper: top-1 of a linear classifier on each stage, a line a network, with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..evaluation.report.plot_style import INK, Style
from .probe_report import ProbeReport, SystemScore

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL = 4.6  # inches wide, and
HEIGHT = 3.9  # high
# Okabe and Ito's palette, told apart by colour-blind people; without its yellow, too pale for lines on white.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
_MARKS = ("o", "s", "^", "D", "v", "P")
_QUIET = {
    "gaussian": (Style("#8c8c8c", (1.2, 1.2)), "x"),
    "kmeans": (Style("#7a6a4f", (4, 1.5)), "+"),
    "supervised": (Style("#111111", ()), "o"),
    "supervised-colour": (Style("#111111", (4, 1.5)), "s"),
}
_SETTINGS: Any = {
    "font.size": 10.5, "axes.edgecolor": "#8c8c8c", "axes.labelcolor": INK, "axes.linewidth": 0.8,
    "axes.spines.right": False, "axes.spines.top": False, "grid.color": "#e6e6e6", "grid.linewidth": 0.8,
    "text.color": INK, "xtick.color": INK, "ytick.color": INK,
}  # fmt: skip


def draw(report: ProbeReport) -> Figure:
    """One panel for each set of stages, for networks with other stages share no x axis; one y axis for all."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    panels: dict[tuple[str, ...], list[SystemScore]] = {}
    for system in report.systems:
        panels.setdefault(tuple(system.stages), []).append(system)
    looks = _looks(report)
    with rc_context(_SETTINGS):
        figure = Figure((max(5.0, PANEL * len(panels)), HEIGHT + 0.2 * max(map(len, panels.values()))),
                        layout="constrained")  # fmt: skip
        rows = figure.subplots(1, len(panels), sharey=True, squeeze=False)
        for axes, (stages, systems) in zip(rows[0], panels.items(), strict=True):
            _panel(axes, stages, systems, looks, report.chance)
        rows[0][0].set_ylabel("top-1 of a linear classifier (%)")
        rows[0][0].set_ylim(bottom=0)
    return figure


def _panel(
    axes: Axes,
    stages: tuple[str, ...],
    systems: list[SystemScore],
    looks: dict[str, tuple[Style, str]],
    chance: float,
) -> None:
    places = range(len(stages))
    for system in systems:
        style, mark = looks[system.name]
        found = [system.stages[stage].top_1 for stage in stages]
        axes.fill_between(places, [f.low for f in found], [f.high for f in found], color=style.colour, alpha=0.18,
                          linewidth=0)  # fmt: skip
        axes.plot(places, [f.value for f in found], color=style.colour, linestyle=style.line, linewidth=style.width,
                  marker=mark, markersize=5, label=_label(system))  # fmt: skip
    axes.axhline(chance, color="#8c8c8c", linewidth=0.8)
    axes.annotate("chance", (1, chance), xycoords=("axes fraction", "data"), xytext=(0, 2), textcoords="offset points",
                  ha="right", va="bottom", fontsize=8.5)  # fmt: skip
    axes.set_xticks(list(places), stages, rotation=0 if len(stages) < 7 else 40)
    axes.grid(True, axis="y")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), frameon=False, fontsize=9, borderaxespad=0.2)


def _label(system: SystemScore) -> str:
    name = system.name if system.kind != "checkpoint" or system.network in system.name else (
        f"{system.name} ({system.network})"
    )  # fmt: skip
    if system.kind.startswith("supervised"):
        name = f"{system.network}, trained with labels{' on colour' if system.kind.endswith('colour') else ''}"
    marked = ", began with labels" if system.note else ""
    return f"{name}{marked}, {system.size} px"


def _looks(report: ProbeReport) -> dict[str, tuple[Style, str]]:
    looks: dict[str, tuple[Style, str]] = {}
    turn = 0
    for system in report.systems:
        if system.kind in _QUIET:
            looks[system.name] = _QUIET[system.kind]
            continue
        dashes = (3.0, 1.0) if system.note else ((), (4.0, 1.5))[turn // len(_COLOURS) % 2]
        looks[system.name] = (Style(_COLOURS[turn % len(_COLOURS)], dashes), _MARKS[turn % len(_MARKS)])
        turn += 1
    return looks

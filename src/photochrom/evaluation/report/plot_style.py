"""Style of the report's plots: one colour per system throughout, sizes that a phone can show, SVG or PNG as bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyvips

from ..results import SystemResult
from .thumbnails import small_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 5.0  # inches: 360 CSS pixels, a phone's width, so that letters there are as large as set here
INK = "#333333"
FAINT = "#d9d9d9"
PNG_DOTS = 144  # per inch: two for each CSS pixel
_SETTINGS: Any = {
    "font.size": 10.5,
    "axes.edgecolor": "#8c8c8c",
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.unicode_minus": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.fonttype": "path",  # text as paths: identical on every machine
    "svg.hashsalt": "photochrom",  # reproducible in every run
}
# Okabe and Ito's palette, told apart by colour-blind people; without its yellow, too pale for lines on white.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
# Beyond six systems the colours come again with another dash: lengths drawn and left out, in line widths.
_DASHES: tuple[tuple[float, ...], ...] = ((), (4, 1.5), (1.2, 1.2))


@dataclass(frozen=True)
class Style:
    """How a system is drawn. dashes: lengths drawn and left out, in line widths; empty for a solid line."""

    colour: str
    dashes: tuple[float, ...]
    width: float = 2.0  # points

    @property
    def line(self) -> tuple[int, tuple[float, ...] | None]:
        """matplotlib's linestyle."""
        return (0, self.dashes or None)


_BASELINES = {
    "truth": Style("#111111", (), 2.4),
    "grey": Style("#8c8c8c", (), 2.4),
    "random": Style("#8c8c8c", (1.2, 1.2)),
    "constant": Style("#7a6a4f", (4, 1.5)),
    "lightness-table": Style("#7a6a4f", (1.2, 1.2)),
}


def styles(systems: Sequence[SystemResult]) -> dict[str, Style]:
    """A style for each system by name: baselines in quiet colours of their own, the others in turn."""
    given: dict[str, Style] = {}
    turn = 0
    for system in systems:
        if system.kind == "baseline" and system.name in _BASELINES:
            given[system.name] = _BASELINES[system.name]
        else:
            dashes = _DASHES[turn // len(_COLOURS) % len(_DASHES)]
            given[system.name] = Style(_COLOURS[turn % len(_COLOURS)], dashes)
            turn += 1
    return given


def drawing(height: float, width: float = WIDTH) -> tuple[Figure, Axes]:
    """A figure with one pair of axes, in inches."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure  # not pyplot: no window system, no state

    with rc_context(_SETTINGS):
        figure = Figure((width, height), layout="constrained")
        return figure, figure.subplots()


def svg(figure: Figure) -> bytes:
    """The figure as SVG."""
    from matplotlib import rc_context

    buffer = io.BytesIO()
    with rc_context(_SETTINGS):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def png(figure: Figure) -> bytes:
    """The figure as a small PNG, for what has hundreds of shapes."""
    from matplotlib import rc_context

    buffer = io.BytesIO()
    with rc_context(_SETTINGS):
        figure.savefig(buffer, format="png", dpi=PNG_DOTS)
    return small_png(pyvips.Image.new_from_buffer(buffer.getvalue(), "").flatten(background=255).numpy())

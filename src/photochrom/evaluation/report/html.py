"""report.html: one self-contained page for screen, phone and print; it loads nothing from the network."""

from __future__ import annotations

import importlib.util
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...atomic_file import part_file, refuse_existing
from ...color import lab_to_rgb
from ...errors import SettingError
from ..results import AB_CELL, Evaluation, SystemResult
from . import paper, plane_plots, plots, score_tables
from .distributions import MODE_RADIUS, SEPARATION
from .illustrations import Illustrations
from .multimodal import AROUND, MultimodalPixel
from .plot_style import Style, styles
from .thumbnails import data_uri, thumbnail

LIBRARIES = ("jinja2", "matplotlib")
TEMPLATE = "report.html.jinja"
LEFT_OUT_NAMED = 5  # photographs
_ENTROPY_STEP = 0.5  # natural logarithms: the ends of the scale are multiples of it


@dataclass(frozen=True)
class Figure:
    """A picture of the page. uri: its data: address; alt: what it shows, for those who cannot see it."""

    uri: str
    alt: str
    title: str = ""


def require_libraries() -> None:
    """Raise SettingError where the page cannot be made: before hours of measuring, not after."""
    missing = [name for name in LIBRARIES if importlib.util.find_spec(name) is None]
    if missing:
        raise SettingError(
            f"report.html needs {' and '.join(missing)}, not installed; run: pip install 'photochrom[eval]'"
        )


def write_html(evaluation: Evaluation, illustrations: Illustrations, target: Path, *, overwrite: bool = False) -> None:
    """Write the report to the file `target`, whole or not at all.

    Raises OutputError, also for an existing target unless `overwrite`, and SettingError where a library is missing.
    """
    require_libraries()
    refuse_existing(target, overwrite)
    page = html(evaluation, illustrations)
    with part_file(target, overwrite) as part:
        part.write_text(page, encoding="utf-8")


def html(evaluation: Evaluation, illustrations: Illustrations) -> str:
    """The page as text."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["uri"] = data_uri
    environment.filters["number"] = score_tables.number
    environment.filters["dashes"] = _dashes
    environment.filters["breakable"] = _breakable
    look = styles(evaluation.systems)
    return environment.get_template(TEMPLATE).render(
        evaluation=evaluation,
        look=look,
        left_out=score_tables.listed(evaluation.left_out, LEFT_OUT_NAMED),
        failed={s.name: score_tables.listed(s.failed) for s in evaluation.systems if s.failed},
        versions=", ".join(f"{name} {version}" for name, version in evaluation.versions.items()),
        tables=score_tables.tables(evaluation),
        paper=paper,
        words=Figure(
            data_uri(plane_plots.words_plane()),
            "The ab plane: grey in the middle, red to the right, green to the left, yellow above, blue below",
        ),
        curves=_curves(evaluation, look),
        planes=_planes(evaluation),
        drawn=[system.name for system in evaluation.systems if _is_drawn(system)],
        undrawn=[system.name for system in evaluation.systems if not _is_drawn(system)],
        chroma_class=plots.CHROMA_CLASS,
        ab_cell=AB_CELL,
        share_scale=Figure(
            data_uri(plane_plots.share_scale()), "Scale: pale for 0.0001% of the pixels in a cell, strong for 1%"
        ),
        chroma=_chroma(evaluation, look),
        sweeps=illustrations.sweeps,
        sweep_plots=_sweeps(illustrations, look),
        multimodal=_multimodal(illustrations),
        unimodal=[system for system, pixels in illustrations.multimodal.items() if not pixels],
        same_distribution=illustrations.same_distribution,
        without_distribution=[
            each.name
            for each in evaluation.systems
            if each.kind == "model" and each.name not in {*illustrations.multimodal, *illustrations.same_distribution}
        ],
        multimodal_photographs=illustrations.multimodal_photographs,
        multimodal_terms={"radius": MODE_RADIUS, "separation": SEPARATION, "around": AROUND},
        has_models=any(system.kind == "model" for system in evaluation.systems),
        gallery=_gallery(illustrations),
        entropy_scale=_entropy_scale(illustrations),
    )


def _curves(evaluation: Evaluation, look: dict[str, Style]) -> list[tuple[Figure, int]]:
    """Each plot with the error at which it ends."""
    made = []
    for row, title in ((plots.PLAIN, "All pixels alike"), (plots.REBALANCED, "All colours alike")):
        scores = [(s.name, s.colour.auc if row == plots.PLAIN else s.colour.rebalanced_auc) for s in evaluation.systems]
        areas = ", ".join(f"{name} {score_tables.number(score.value)}%" for name, score in scores)
        picture = data_uri(plots.error_curves(evaluation.systems, look, row))
        alt = f"Rising curves of the share of pixels by colour error. Area under each up to 150: {areas}."
        made.append((Figure(picture, alt, title), plots.curve_end(evaluation.systems, row)))
    return made


def _is_drawn(system: SystemResult) -> bool:
    """Whether its colours are drawn: truth's are the originals', grey's are none."""
    return not score_tables.is_baseline(system, "truth", "grey")


def _planes(evaluation: Evaluation) -> list[Figure]:
    truth = evaluation.true_ab_counts
    pairs = [("the original photographs", truth)]
    pairs += [(system.name, system.ab_counts) for system in evaluation.systems if _is_drawn(system)]
    return [
        Figure(data_uri(plane_plots.ab_plane(counts, truth)), f"Colours over the ab plane: {name}", name)
        for name, counts in pairs
    ]


def _chroma(evaluation: Evaluation, look: dict[str, Style]) -> list[Figure]:
    means = ", ".join(
        f"{s.name} {score_tables.number(s.colour.colourfulness.value)}" for s in evaluation.systems if s.name != "truth"
    )
    alt = f"by distance from grey, systems as stepped lines over the originals' grey area. Mean colourfulness: {means}."
    return [
        Figure(data_uri(plots.chroma_histogram(evaluation, look)), f"Share of pixels {alt}", "Share at each vividness"),
        Figure(data_uri(plots.chroma_at_least(evaluation, look)), f"Share of pixels at least that far, {alt}",
               "Share at least so vivid"),
    ]  # fmt: skip


def _sweeps(illustrations: Illustrations, look: dict[str, Style]) -> list[Figure]:
    swept = illustrations.sweeps
    if swept is None or not swept.sweeps:
        return []

    def ends(values: str) -> str:
        return ", ".join(
            f"{each.name} {score_tables.number(getattr(each, values)[0])} to "
            f"{score_tables.number(getattr(each, values)[-1])}"
            for each in swept.sweeps
        )

    error, vivid = (
        plots.temperature_errors(swept.sweeps, look),
        plots.temperature_colourfulness(swept.sweeps, look, swept.colourfulness),
    )
    along = "by temperature, from the likeliest colour to the mean:"
    return [
        Figure(data_uri(error), f"Error {along} {ends('rmse')} ab units.", "Error"),
        Figure(data_uri(vivid), f"Colourfulness {along} {ends('colourfulness')}.", "Colourfulness"),
    ]


def _multimodal(illustrations: Illustrations) -> dict[str, list[dict[str, Any]]]:
    """By system: each pixel with its plot and its colours as CSS; its two likely ones with their percentages, the
    larger first."""
    return {
        system: [
            {
                "pixel": pixel,
                "plot": data_uri(plane_plots.bin_plane(pixel)),
                "likely": sorted(
                    (
                        (100 * pixel.first_mass, _css(pixel, pixel.first)),
                        (100 * pixel.second_mass, _css(pixel, pixel.second)),
                    ),
                    reverse=True,
                ),
                "given": _css(pixel, pixel.given_ab),
                "truth": _css(pixel, pixel.true_ab),
            }
            for pixel in pixels
        ]
        for system, pixels in illustrations.multimodal.items()
        if pixels
    }


def _css(pixel: MultimodalPixel, ab: tuple[float, float]) -> str:
    """A colour at the pixel's own lightness, for a swatch."""
    red, green, blue = (round(255 * value) for value in lab_to_rgb([pixel.lightness, *ab]).tolist())
    return f"#{red:02x}{green:02x}{blue:02x}"


def _entropy_range(illustrations: Illustrations) -> tuple[float, float] | None:
    """The least and greatest entropy in the gallery, outwards to a multiple of _ENTROPY_STEP; None without any."""
    maps = [e.entropy for groups in illustrations.gallery.values() for examples in groups.values() for e in examples]
    known = [each for each in maps if each is not None]
    if not known:
        return None
    low, high = min(float(each.min()) for each in known), max(float(each.max()) for each in known)
    low = _ENTROPY_STEP * math.floor(low / _ENTROPY_STEP)
    return low, max(_ENTROPY_STEP * math.ceil(high / _ENTROPY_STEP), low + _ENTROPY_STEP)


def _entropy_scale(illustrations: Illustrations) -> Figure | None:
    ends = _entropy_range(illustrations)
    if ends is None:
        return None
    return Figure(
        data_uri(plane_plots.entropy_scale(*ends)), f"Scale of entropy, dark {ends[0]:g} to yellow {ends[1]:g}"
    )


def _gallery(illustrations: Illustrations) -> dict[str, dict[str, list[tuple[str, float, list[Figure]]]]]:
    """By system and group: each example's photograph, gain and pictures."""
    ends = _entropy_range(illustrations)
    made: dict[str, dict[str, list[tuple[str, float, list[Figure]]]]] = {}
    for system, groups in illustrations.gallery.items():
        for group, examples in groups.items():
            for each in examples:
                pictures = [
                    Figure(data_uri(each.grey), f"{each.photograph} in grey", "grey"),
                    Figure(data_uri(each.coloured), f"{each.photograph} coloured by {system}", "coloured"),
                    Figure(data_uri(each.original), f"{each.photograph}, the original", "original"),
                ]
                if each.entropy is not None and ends is not None:
                    unsure = thumbnail(plane_plots.entropy_map(each.entropy, *ends))
                    pictures.append(Figure(data_uri(unsure), f"{each.photograph}: entropy at each pixel", "entropy"))
                made.setdefault(system, {}).setdefault(group, []).append((each.photograph, each.gain, pictures))
    return made


def _breakable(name: str) -> str:
    """A name as HTML that may be broken after its separators, so that a long one fits a narrow column."""
    from markupsafe import Markup, escape

    return Markup("<wbr>").join(escape(part) for part in re.split(r"(?<=[/_\-])", name))


def _dashes(style: Style) -> str:
    """SVG's stroke-dasharray of a line 2.5 wide."""
    return ",".join(f"{2.5 * length:g}" for length in style.dashes) or "none"

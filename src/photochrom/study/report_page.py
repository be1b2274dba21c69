"""report.html: one self-contained page for screen, phone and print. Its template: report.html.jinja."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ..evaluation.report.paper import TABLE_1
from ..evaluation.report.thumbnails import data_uri, thumbnail
from .analysis import RANKING_WEIGHT, AlgorithmResult, Analysis, Judged, Range, Times, rules
from .build import summary
from .figure import shares_figure
from .pictures import read_picture
from .plan import REAL, Study
from .wording import counted

TEMPLATE = "report.html.jinja"
SHOWN = 6  # photographs at each end of the ranking
FEWEST_FOR_PER_CENT = 5  # answers about a photograph: below, a per cent would say more than they do
NOTHING = "–"


@dataclass(frozen=True)
class Specimen:
    """A photograph in the gallery: both versions as data: addresses."""

    judged: Judged
    real: str
    coloured: str


@dataclass(frozen=True)
class Gallery:
    """The photographs at both ends of an algorithm's ranking."""

    algorithm: str
    most: tuple[Specimen, ...]
    least: tuple[Specimen, ...]


def page(
    analysis: Analysis, study: Study, study_folder: Path, *, command: str = "", versions: dict[str, str] | None = None
) -> str:
    """The report as HTML, self-contained. Raises DataError for a picture of the study that is missing."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "interval": interval, "times": times, "counted": counted}
    drawn = any(each.main.share is not None for each in analysis.algorithms)
    figure = shares_figure(analysis.algorithms).decode() if drawn else ""
    text = environment.get_template(TEMPLATE).render(
        analysis=analysis,
        study=study,
        dates=dates(analysis),
        rules=rules(study),
        ranking_weight=RANKING_WEIGHT,
        fewest_for_per_cent=FEWEST_FOR_PER_CENT,
        left_out=summary(study.left_out),
        # Without its prolog, which has no place inside of a page; matplotlib made all of it.
        figure=Markup(figure[figure.index("<svg") :]) if drawn else None,
        galleries=[gallery for each in analysis.algorithms if (gallery := _gallery(each, study_folder))],
        paper=[row for row in TABLE_1 if row.taken_for_real is not None],
        command=command,
        versions=", ".join(f"{name} {version}" for name, version in (versions or {}).items()),
    )
    return text + "\n"


def _gallery(result: AlgorithmResult, study_folder: Path) -> Gallery | None:
    ranked = result.photographs
    if not ranked:
        return None
    ends = min(SHOWN, math.ceil(len(ranked) / 2))
    most, least = ranked[:ends], ranked[ends:][::-1][:ends]
    return Gallery(
        result.algorithm,
        _specimens(most, result.algorithm, study_folder),
        _specimens(least, result.algorithm, study_folder),
    )


def _specimens(chosen: Sequence[Judged], algorithm: str, study_folder: Path) -> tuple[Specimen, ...]:
    def small(version: str, identifier: str) -> str:
        return data_uri(thumbnail(read_picture(study_folder, version, identifier)))

    return tuple(Specimen(each, small(REAL, each.photograph), small(algorithm, each.photograph)) for each in chosen)


def percent(share: float | None) -> str:
    """A share 0..1 as per cent."""
    return NOTHING if share is None else f"{100 * share:.1f}"


def interval(found: Range | None) -> str:
    """An interval 0..1 as per cent."""
    return NOTHING if found is None else f"{100 * found.low:.1f}–{100 * found.high:.1f}"


def times(found: Times) -> str:
    """Reaction times in seconds: the median, and the quartiles about it."""
    if found.median is None or found.first_quartile is None or found.third_quartile is None:
        return NOTHING
    quartiles = f"{found.first_quartile / 1000:.2f}–{found.third_quartile / 1000:.2f}"
    return f"{found.median / 1000:.2f} ({quartiles})"


def dates(analysis: Analysis) -> str:
    """The days of the first and the last answer; empty where no answer has a time."""
    if analysis.first_answer is None or analysis.last_answer is None:
        return ""
    first, last = analysis.first_answer[:10], analysis.last_answer[:10]
    return first if first == last else f"{first} to {last}"

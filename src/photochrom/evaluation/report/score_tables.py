"""The measured figures as tables of text: a row a system, a column a figure, and why a figure is missing."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ..results import Evaluation, Interval, SemanticScores, SystemResult

MISSING = "–"
NAMED = 3  # photographs of one reason that are named; the others are counted
FEW_LABELLED = 100  # below so many photographs the classifier's figures are a first impression


@dataclass(frozen=True)
class Cell:
    """A figure, and below it its interval or what belongs to it."""

    text: str
    below: str = ""


@dataclass(frozen=True)
class Column:
    """A figure of every system. better: "higher", "lower" or "" where neither is; path: of SystemResult's fields, with
    points between; digits: after the point; per: what the field is divided by; below: what else is said of it; shown:
    whether it means anything for a system."""

    title: str
    unit: str
    better: str
    path: str
    digits: int = 1
    per: float = 1
    below: Callable[[SystemResult], str] = lambda system: ""
    shown: Callable[[SystemResult], bool] = lambda system: True

    def cell(self, system: SystemResult) -> Cell:
        if not self.shown(system):
            return Cell(MISSING)
        value: Any = system
        for name in self.path.split("."):
            value = None if value is None else getattr(value, name)
        return cell(value if value is None or self.per == 1 else value / self.per, self.digits, self.below(system))

    def end(self, scores: SemanticScores) -> Cell:
        """Of grey or truth that were classified only, as the ends of a scale."""
        part, _, name = self.path.partition(".")
        return cell(getattr(scores, name) if part == "semantic" else None, self.digits)


@dataclass(frozen=True)
class Table:
    """A table of the report. rows: (system, its cells); legend: what the columns mean; missing: why some are empty;
    caution: why to take the figures with care, "" if there is no reason."""

    title: str
    sentence: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    legend: tuple[tuple[str, str], ...]
    missing: tuple[str, ...] = ()
    caution: str = ""


def is_baseline(system: SystemResult, *names: str) -> bool:
    """Whether it is a baseline of one of these names; a model may be called the same."""
    return system.kind == "baseline" and system.name in names


def number(value: float, digits: int = 1) -> str:
    """A number as text with a true minus sign, never "-0.0"; MISSING where it is not finite."""
    if not math.isfinite(value):
        return MISSING
    text = f"{value:,.{digits}f}"
    if not text.strip("-0.,"):
        text = text.removeprefix("-")
    return text.replace("-", "−").replace(",", "\u202f")


def cell(value: Interval | float | None, digits: int = 1, below: str = "") -> Cell:
    """A figure as a cell, with its interval."""
    if value is None:
        return Cell(MISSING)
    if not isinstance(value, Interval):
        return Cell(number(value, digits), below)
    if not math.isfinite(value.value):
        return Cell(MISSING)
    if math.isfinite(value.low) and math.isfinite(value.high):  # not where a resampled set has no gap
        below = f"{number(value.low, digits)} … {number(value.high, digits)}{below}"
    return Cell(number(value.value, digits), below)


def tables(evaluation: Evaluation) -> list[Table]:
    """All tables of an evaluation; one without columns says only why nothing was measured."""
    made = [_nearness(evaluation), _vividness(evaluation), _recognition(evaluation), _costs(evaluation)]
    return [table for table in made if table is not None]


def _table(
    evaluation: Evaluation,
    title: str,
    sentence: str,
    columns: tuple[Column, ...],
    legend: tuple[tuple[str, str], ...],
    missing: tuple[str, ...] = (),
) -> Table:
    rows = tuple((system.name, tuple(each.cell(system) for each in columns)) for system in evaluation.systems)
    return Table(title, sentence, columns, rows, legend, missing)


def _nearness(evaluation: Evaluation) -> Table:
    columns = (
        Column("AuC", "%", "higher", "colour.auc"),
        Column("rebalanced AuC", "%", "higher", "colour.rebalanced_auc"),
        Column("gain over grey", "points", "higher", "colour.rebalanced_gain"),
        Column("gain@1", "points", "higher", "colour.gain_at_1",
               shown=lambda s: not is_baseline(s, "truth")),
        Column("at scale", "×", "", "colour.gain_scale", shown=lambda s: not is_baseline(s, "truth", "grey")),
        Column("RMSE", "ab units", "lower", "colour.rmse_ab"),
        Column("PSNR", "dB", "higher", "colour.psnr"),
        Column("SSIM", "0 to 1", "higher", "colour.ssim", 3),
    )  # fmt: skip
    legend = (
        ("AuC", "colour accuracy over all pixels: the area under the curves below. Most pixels are nearly "
                "grey, so grey alone scores high"),
        ("rebalanced AuC", "the same, with every colour counting alike however rare it is"),
        ("gain over grey", "rebalanced AuC minus that of leaving the photographs grey"),
        ("gain@1, at scale", "that gain with the colours made weaker or stronger: at the largest scale (0 to 1.5 times "
                             "as strong) at which AuC stays within 1 point of grey's. It cannot be had by merely "
                             "colouring boldly"),
        ("RMSE", "typical distance from the true colour: the root of the mean squared one"),
        ("PSNR, SSIM", "likeness of the coloured and the original picture, mean over photographs; the lightness is the "
                       "original's, so both are high even in grey"),
    )  # fmt: skip
    missing: tuple[str, ...] = ()
    if any(is_baseline(s, "truth") for s in evaluation.systems):
        missing += ("gain@1 of truth: it is no yardstick there, since the scale would exaggerate the true colours",)
    if any(is_baseline(s, "grey") for s in evaluation.systems):
        missing += ("at scale of grey: grey is grey at any scale",)
    return _table(
        evaluation,
        "How near the true colours",
        "Read down a column: a system is better the nearer its figure is to that of truth, which is as good as can "
        "be. One that is no nearer than grey gains nothing by its colours there. (The baselines grey and truth stand "
        "here if they were asked for.)",
        columns,
        legend,
        missing,
    )


def _vividness(evaluation: Evaluation) -> Table:
    columns = (
        Column("colourfulness", "", "", "colour.colourfulness"),
        Column("originals", "", "", "colour.original_colourfulness"),
        Column("colourfulness, absolute form", "", "", "colour.absolute_colourfulness"),
        Column("originals, absolute form", "", "", "colour.original_absolute_colourfulness"),
    )
    legend = (
        (
            "colourfulness",
            "how strong and how varied the colours of a picture are (Hasler and Süsstrunk's M3, 2003, of "
            "the differences R − G and (R + G) / 2 − B between a pixel's red, green and blue), mean over "
            "photographs. Grey is about 0: rounding to 8 bits leaves a trace of colour",
        ),
        ("absolute form", "the same of |R − G| and |(R + G) / 2 − B|, as many published figures have it"),
    )
    return _table(
        evaluation,
        "How vivid",
        "Far below the originals' figure the photographs look dull, far above it garish. It does not tell whether the "
        "colours are right: those of another photograph (random) are nearly as vivid as the true ones.",
        columns,
        legend,
    )


def _recognition(evaluation: Evaluation) -> Table:
    systems = evaluation.systems
    classified = any(s.semantic for s in systems)
    distance, judged = any(s.frechet is not None for s in systems), any(s.judge for s in systems)
    columns: tuple[Column, ...] = ()
    legend: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()
    if classified:
        columns += (
            Column("top-1", "%", "higher", "semantic.top_1"),
            Column("top-5", "%", "higher", "semantic.top_5"),
            Column("log-probability", "0 is certain", "higher", "semantic.log_probability", 3),
            Column("won back", "%", "higher", "semantic.share"),
            Column("won back, top-1", "%", "higher", "semantic.top_1_share"),
        )
        legend += (
            ("top-1, top-5", f"how often {evaluation.classifier}, a classifier of ImageNet, names what the photograph "
                             f"shows, first or among its first five; {evaluation.labelled} labelled photographs. One "
                             "that was trained on these photographs flatters all rows"),
            ("log-probability", "how sure it is of the right answer, mean: the natural logarithm of the probability it "
                                "gives it, 0 where that is certain, −0.7 at one in two, −2.3 at one in ten. Finer than "
                                "top-1 on few photographs"),
            ("won back", "the share of what it loses without colour (grey is 0, the original 100), by log-probability "
                         "and by top-1. Below 0 the colours mislead it. There is no interval where grey loses nothing "
                         "in some of the sets of photographs that are drawn for it"),
        )  # fmt: skip
        if any(s.semantic and not math.isfinite(s.semantic.top_1_share.value) for s in systems):
            missing += ("won back, top-1: the classifier does no better in colour than in grey, so there is no gap",)
        if any(s.semantic and not math.isfinite(s.semantic.share.value) for s in systems):
            missing += ("won back: the classifier is no surer in colour than in grey, so there is no gap",)
        if any(s.semantic is None for s in systems):
            missing += ("top-1 to won back: not classified",)
        if evaluation.ends and (distance or judged):
            missing += (f"{' and '.join(evaluation.ends)}: only classified, as the ends of the scale",)
    else:
        missing += ("recognition by a classifier was not measured: it needs labels and a classifier",)
    if distance:
        columns += (Column("Fréchet distance", "", "lower", "frechet", 2),)
        legend += (("Fréchet distance", "how far the coloured photographs, all together, are from the originals in "
                                        f"what {evaluation.classifier} sees in them (its features); 0 is alike. Not "
                                        "comparable with FID, the same of another network"),)  # fmt: skip
        if any(s.frechet is None for s in systems):
            missing += ("Fréchet distance: not measured for this system",)
    else:
        missing += (
            "the Fréchet distance, how far the coloured photographs are from the originals all together, was not "
            "measured: it needs a classifier and more than 5,000 photographs",
        )
    if judged:
        columns += (Column("fooled the machine", "%", "higher", "judge.error"),)
        legend += (("fooled the machine", "errors of a small classifier that was trained to tell coloured from real "
                                          "photographs, on photographs it had not seen; 50 means that it cannot tell. "
                                          "A machine's figure: it says little about people"),)  # fmt: skip
        if any(s.judge is None for s in systems):
            missing += ("fooled the machine: nothing to tell apart, or not judged",)
    else:
        missing += (evaluation.judge_note.rstrip(".") or "no machine judge was asked (--judge)",)
    table = _table(
        evaluation,
        "How recognisable",
        "Right colours help a classifier to see what is in a photograph; wrong ones mislead it.",
        columns,
        legend,
        missing,
    )
    ends = tuple((name, tuple(each.end(scores) for each in columns)) for name, scores in evaluation.ends.items())
    caution = ""
    if classified and evaluation.labelled < FEW_LABELLED:
        many = f"{evaluation.labelled} labelled photograph{'' if evaluation.labelled == 1 else 's'}"
        caution = f"Only {many}: take the classifier's figures, won back above all, as a first impression."
    return replace(table, rows=ends + table.rows, caution=caution)


def _costs(evaluation: Evaluation) -> Table | None:
    priced = [system for system in evaluation.systems if system.cost]
    if not priced:
        return None
    columns = (
        Column("parameters", "million", "", "cost.parameters", 2, 1e6),
        Column("file", "MB", "", "cost.file_bytes", per=1e6),
        Column("peak memory", "MB", "lower", "cost.peak_memory", 0, 1e6),
        Column("time a photograph", "ms", "lower", "cost.milliseconds",
               below=lambda s: _threads(s.cost.threads) if s.cost else ""),
    )  # fmt: skip
    legend = (
        ("peak memory", "of a process that colours the photographs one after another, all libraries included"),
        ("time a photograph", "network and decoding at 256×256, median after warming up, on so many threads"),
    )
    missing = () if len(priced) == len(evaluation.systems) else ("baselines are no networks and have no cost",)
    return _table(
        evaluation, "What it costs", "Smaller is cheaper to run; 1 MB is a million bytes.", columns, legend, missing
    )


def _threads(count: int) -> str:
    return f"{count} thread" if count == 1 else f"{count} threads"


def listed(reasons: dict[str, str], named: int = NAMED) -> str:
    """Photographs by what is the matter: how many, why (a reason's first line), and the first few by name."""
    groups: dict[str, list[str]] = {}
    for name, why in reasons.items():
        groups.setdefault(why.strip().partition("\n")[0].rstrip(), []).append(name)
    return "; ".join(
        f"{len(names)} {why}: {', '.join(names[:named])}{', …' if len(names) > named else ''}"
        for why, names in groups.items()
    )

"""The report of an evaluation: report.json and report.csv for programs, report.md for people (and see html_report)."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from ...atomic_file import part_file
from ...errors import OutputError
from ..results import ColourScores, Cost, Evaluation, Interval, JudgeScores, SemanticScores, SystemResult

COLOUR_COLUMNS = {
    "AuC": "auc",
    "rebalanced AuC": "rebalanced_auc",
    "gain over grey": "rebalanced_gain",
    "gain@1": "gain_at_1",
    "at scale": "gain_scale",
    "RMSE": "rmse_ab",
    "PSNR": "psnr",
    "SSIM": "ssim",
    "colourfulness": "colourfulness",
    "colourfulness, absolute form": "absolute_colourfulness",
}
SEMANTIC_COLUMNS = {
    "top-1 %": "top_1",
    "top-5 %": "top_5",
    "log-probability": "log_probability",
    "won back %": "share",
    "won back, top-1 %": "top_1_share",
}
DIGITS = {"log_probability": 3, "ssim": 3}  # after the point; 1 elsewhere
LEGEND = (
    "AuC and rebalanced AuC in %, at 256x256, every 4th pixel, all pixels pooled; gain over grey in points of the "
    "latter. gain@1: that gain at the largest chroma scale (0, 0.1 .. 1.5) at which plain AuC is no lower than grey's "
    "minus 1; no yardstick for truth, whose colours it exaggerates. RMSE: root of the mean squared distance in the ab "
    "plane. PSNR (dB) and SSIM (0 to 1): of the sRGB picture, means over photographs. Colourfulness: Hasler and "
    "Suesstrunk; absolute form: with |R-G| in place of R-G. [95% interval, paired bootstrap over photographs]"
)
JUDGE_LEGEND = (
    "Frechet distance: between the features of the coloured and the original photographs; it is not an FID. Machine "
    "judge: a small classifier's error in telling coloured from real photographs, 50% if it cannot; it is no human."
)
COST_LEGEND = (
    "256x256: median time of the network and its decode for a photograph of that size, after warm-up. Peak memory: of "
    "a whole process that colours such photographs."
)
ARRAYS = ("curves", "ab_counts", "photo_auc", "photo_gain")
NAMED = 5  # photographs that a reason names


def cell(value: Interval | float, digits: int = 1) -> str:
    """A figure as text, with its interval."""
    if isinstance(value, Interval):
        if math.isnan(value.low):  # a share of no gap, in some resampled set at least
            return "-" if math.isnan(value.value) else _number(value.value, digits)
        return f"{_number(value.value, digits)} [{_number(value.low, digits)}, {_number(value.high, digits)}]"
    return _number(value, digits)


def _number(value: float, digits: int) -> str:
    """Without the minus of a zero."""
    return f"{round(value, digits) + 0.0:.{digits}f}"


def colour_rows(evaluation: Evaluation) -> list[list[str]]:
    """The colour table: a header, then a row a system."""
    rows = [["system", *COLOUR_COLUMNS]]
    for system in evaluation.systems:
        values = ((field, getattr(system.colour, field)) for field in COLOUR_COLUMNS.values())
        rows.append([system.name, *(cell(value, DIGITS.get(field, 1)) for field, value in values)])
    return rows


def semantic_rows(evaluation: Evaluation) -> list[list[str]]:
    """The table of the classifier: a header, then a row a system; only a header without labels."""
    rows = [["system", *SEMANTIC_COLUMNS]]
    systems = {**evaluation.ends, **{s.name: s.semantic for s in evaluation.systems if s.semantic}}
    for name, scores in systems.items():
        values = ((field, getattr(scores, field)) for field in SEMANTIC_COLUMNS.values())
        rows.append([name, *(cell(value, DIGITS.get(field, 1)) for field, value in values)])
    return rows


def cost_rows(evaluation: Evaluation) -> list[list[str]]:
    """What the models cost: a header, then a row a model; only a header where it was not measured."""
    rows = [["model", "parameters", "file", "peak memory", "256x256"]]
    for system in evaluation.systems:
        if cost := system.cost:
            time = f"{cost.milliseconds:.1f} ms, {cost.threads} thread{'s' if cost.threads > 1 else ''}"
            sizes = [f"{size / 1e6:.{digits}f} MB" for size, digits in ((cost.file_bytes, 1), (cost.peak_memory, 0))]
            rows.append([system.name, f"{cost.parameters / 1e6:.2f} M", *sizes, time])
    return rows


def other_rows(evaluation: Evaluation) -> list[list[str]]:
    """The Frechet distance and the machine judge: a header, then a row a system; only a header without both."""
    rows = [["system", f"Frechet distance on {evaluation.classifier}'s features", "machine judge's error %"]]
    for system in evaluation.systems:
        if system.frechet is not None or system.judge is not None:
            judged = "-" if system.judge is None else cell(system.judge.error)
            rows.append([system.name, "-" if system.frechet is None else cell(system.frechet), judged])
    return rows


def original_colourfulness(evaluation: Evaluation) -> str:
    """The mean colourfulness of the original photographs, both forms, as text."""
    colour = evaluation.systems[0].colour
    return f"{cell(colour.original_colourfulness)}, absolute {cell(colour.original_absolute_colourfulness)}"


def left_out(evaluation: Evaluation) -> list[str]:
    """A line for each reason why photographs were left out or not coloured."""
    by_reason: dict[str, list[str]] = {}
    for name, why in evaluation.left_out.items():
        by_reason.setdefault(f"left out, {why}", []).append(name)
    for system in evaluation.systems:
        for name, why in system.failed.items():
            by_reason.setdefault(f"{system.name} failed, {why}", []).append(name)
    return [
        f"{len(names)} {reason}: {', '.join(names[:NAMED])}{' ...' if len(names) > NAMED else ''}"
        for reason, names in by_reason.items()
    ]


def markdown(evaluation: Evaluation) -> str:
    """The report as Markdown."""
    lines = [
        f"# Evaluation on {evaluation.data}, half: {evaluation.half}, {len(evaluation.names)} photographs",
        "",
        *_table(colour_rows(evaluation)),
        "",
        f"{LEGEND}. The originals' colourfulness: {original_colourfulness(evaluation)}.",
        "",
    ]
    lines += [f"- {system.name}: {system.note}" for system in evaluation.systems if system.note]
    lines += [f"- {line}" for line in left_out(evaluation)]
    if evaluation.labelled:
        lines += [
            "",
            f"## {evaluation.classifier} on {evaluation.labelled} labelled photographs",
            "",
            *_table(semantic_rows(evaluation)),
            "",
            "Mean log-probability of the true class; won back: the share of its gap between grey (0) and truth (100); "
            "won back, top-1: the same of top-1. A classifier that was trained on these photographs flatters the "
            "absolute figures.",
        ]
    if len(rows := other_rows(evaluation)) > 1 or evaluation.judge_note:
        lines += ["", "## Other judges", ""]
        if len(rows) > 1:
            lines += [*_table(rows), "", JUDGE_LEGEND]
        lines += [evaluation.judge_note] * bool(evaluation.judge_note)
    if len(rows := cost_rows(evaluation)) > 1:
        lines += ["", "## Cost", "", *_table(rows), "", COST_LEGEND]
    versions = ", ".join(f"{name} {version}" for name, version in evaluation.versions.items())
    lines += ["", f"Command: `{evaluation.command}`", "", f"Versions: {versions}", ""]
    return "\n".join(lines)


def _table(rows: list[list[str]]) -> list[str]:
    header, *body = rows
    return ["| " + " | ".join(row) + " |" for row in [header, ["---"] * len(header), *body]]


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation for programs; arrays over photographs and over the ab plane are left out."""
    content = {each.name: getattr(evaluation, each.name) for each in fields(evaluation)}
    del content["true_ab_counts"]
    content["photographs"] = len(content.pop("names"))
    content["ends"] = {name: asdict(scores) for name, scores in evaluation.ends.items()}
    content["systems"] = {system.name: _system_json(system) for system in evaluation.systems}
    return _without_nan(content)


def _system_json(system: SystemResult) -> dict[str, Any]:
    content = {each.name: getattr(system, each.name) for each in fields(system) if each.name not in ARRAYS}
    del content["name"]
    for part in ("colour", "semantic", "judge", "cost"):
        content[part] = None if content[part] is None else asdict(content[part])
    content["curves"] = {"plain": system.curves[0].tolist(), "rebalanced": system.curves[1].tolist()}
    return content


def _without_nan(value: Any) -> Any:
    """JSON has no NaN (the share of a gap that is not there): null."""
    if isinstance(value, dict):
        return {key: _without_nan(each) for key, each in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


def as_csv(evaluation: Evaluation) -> str:
    """A row a system; each interval as three columns: NAME, NAME_low, NAME_high. What is not there is empty."""
    parts: list[tuple[Callable[[SystemResult], Any], type]] = [
        (lambda system: system.colour, ColourScores),
        (lambda system: system.semantic, SemanticScores),
        (lambda system: system.judge, JudgeScores),
        (lambda system: system.cost, Cost),
    ]
    table = []
    for system in evaluation.systems:
        row: dict[str, Any] = {"system": system.name, "kind": system.kind, "frechet": system.frechet}
        for part, kind in parts:
            prefix = {SemanticScores: "classifier_", JudgeScores: "judge_"}.get(kind, "")
            for each in fields(kind):
                value = None if part(system) is None else getattr(part(system), each.name)
                key = prefix + each.name
                row[key] = value.value if isinstance(value, Interval) else value
                if each.type == "Interval":
                    row[f"{key}_low"], row[f"{key}_high"] = (value.low, value.high) if value else (None, None)
        table.append(_without_nan(row))
    text = io.StringIO()
    writer = csv.DictWriter(text, list(table[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return text.getvalue()


def make_folder(folder: Path) -> None:
    """The report's folder. Raises OutputError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise OutputError(folder, "is a file", "expected the name of a folder") from error
    except OSError as error:
        raise OutputError(folder, error.strerror or str(error), "expected a folder that can be written") from error


def write(evaluation: Evaluation, folder: Path) -> None:
    """report.json, report.csv and report.md in `folder`, made if need be; older ones go. Raises OutputError."""
    texts = {
        "report.json": json.dumps(as_json(evaluation), indent=2, allow_nan=False) + "\n",
        "report.csv": as_csv(evaluation),
        "report.md": markdown(evaluation),
    }
    make_folder(folder)
    for name, text in texts.items():
        with part_file(folder / name, overwrite=True) as part:
            part.write_text(text, encoding="utf-8")

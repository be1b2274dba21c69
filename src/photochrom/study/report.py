"""The report of a study: report.json for programs, report.csv for tables, report.html for people."""

from __future__ import annotations

import csv
import io
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from ..atomic_file import output_error, part_file
from ..errors import OutputError
from ..evaluation.report.paper import TABLE_1
from ..version import __version__
from .analysis import AlgorithmResult, Analysis, Range, Share, rules
from .plan import Study
from .report_page import page
from .wording import counted

JSON, CSV, HTML = "report.json", "report.csv", "report.html"
FORMAT = "photochrom-study-report-1"
LIBRARIES = ("numpy", "scipy", "pyvips", "matplotlib", "jinja2")


def refuse_existing_report(folder: Path, overwrite: bool) -> None:
    """Raise OutputError if the folder holds a report and it may not be replaced, or is no folder."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(folder, "is a file", "expected the name of a folder")
    for name in (JSON, CSV, HTML):
        if not overwrite and (folder / name).exists():
            raise OutputError(folder / name, "the output exists already", "use --overwrite, or another folder with -o")


def write_report(
    analysis: Analysis, study: Study, study_folder: Path, folder: Path, *, command: str = "", overwrite: bool = False
) -> None:
    """Write the three files in `folder`, made if need be; each appears whole or not at all.

    study_folder: where the study's pictures are. Raises OutputError, and DataError for a picture that is missing.
    """
    refuse_existing_report(folder, overwrite)
    versions = _versions()
    texts = {
        HTML: page(analysis, study, study_folder, command=command, versions=versions),
        CSV: csv_text(analysis),
        JSON: json_text(analysis, study, command=command, versions=versions),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error
    for name, text in texts.items():
        with part_file(folder / name, overwrite) as part:
            part.write_text(text, encoding="utf-8")


def json_text(analysis: Analysis, study: Study, *, command: str = "", versions: dict[str, str] | None = None) -> str:
    """Everything that was found. Shares and intervals are 0..1, times ms; null: there is no such figure."""
    found: dict[str, Any] = {
        "format": FORMAT,
        "title": study.title,
        "study": study.identity,
        "command": command,
        "versions": versions or {},
        "session": {
            name: getattr(study, name) for name in ("side", "practice", "test", "vigilance", "shown_ms", "seed")
        },
        "photographs": len(study.photographs),
        "photographs_left_out": study.left_out,
        "excluded_are_participants_with": rules(study),
        **asdict(analysis),
        "paper_table_1": {
            "what": "labelled real in the paper (Zhang et al. 2016, Table 1) on ImageNet, 0..1; not measured here",
            "labelled_real": {
                row.name: round(row.taken_for_real / 100, 4) for row in TABLE_1 if row.taken_for_real is not None
            },
        },
    }
    return json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def csv_text(analysis: Analysis) -> str:
    """A row an algorithm. Shares and intervals are 0..1, times ms; an empty cell: there is no such figure."""
    lines = io.StringIO()
    rows = [_row(result) for result in analysis.algorithms]
    writer = csv.DictWriter(lines, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return lines.getvalue()


def _row(result: AlgorithmResult) -> dict[str, Any]:
    row: dict[str, Any] = {"algorithm": result.algorithm}
    for prefix, share in (("", result.main), ("with_flagged_", result.with_flagged),
                          ("with_everyone_", result.with_everyone)):  # fmt: skip
        row |= {f"{prefix}{name}": value for name, value in _share_cells(share).items()}
    row |= {
        "joined": result.joined,
        "excluded": result.excluded,
        "excluded_left_early": result.left_early,
        "excluded_vigilance": result.inattentive,
        "excluded_wrong_time": result.wrong_time,
        "answered": result.answered,
        "flagged": result.flagged,
        "void": result.void,
        "vigilance_right": result.vigilance.right,
        "vigilance_answered": result.vigilance.answered,
    }
    for what, times in (("right", result.right_times), ("wrong", result.wrong_times)):
        row |= {
            f"{what}_ms_first_quartile": times.first_quartile,
            f"{what}_ms_median": times.median,
            f"{what}_ms_third_quartile": times.third_quartile,
        }
    return row


def _share_cells(share: Share) -> dict[str, Any]:
    cells: dict[str, Any] = {
        "share": share.share,
        "fooled": share.fooled,
        "trials": share.trials,
        "participants": share.participants,
        "photographs": share.photographs,
    }
    for name, interval in (("over_both", share.over_both), ("over_participants", share.over_participants)):
        cells |= {f"{name}_low": interval and interval.low, f"{name}_high": interval and interval.high}
    return cells


def lines(analysis: Analysis) -> list[str]:
    """The main figures for a terminal, a line an algorithm."""
    width = max(len(result.algorithm) for result in analysis.algorithms)
    return [f"{result.algorithm:{width}}  {_in_words(result)}" for result in analysis.algorithms]


def _in_words(result: AlgorithmResult) -> str:
    share = result.main
    if share.share is None:
        left_out = f" ({counted(result.excluded, 'participant')} excluded)" if result.excluded else ""
        return f"no answers that count yet{left_out}"
    interval = _percent(share.over_both) if share.over_both else "no interval: fewer than two participants"
    people = counted(share.participants, "participant")
    counts = f"{counted(share.trials, 'trial')} by {people}, {result.excluded} excluded"
    return f"taken for real in {100 * share.share:.1f}% ({interval}) of {counts}"


def _percent(interval: Range) -> str:
    return f"95%: {100 * interval.low:.1f} to {100 * interval.high:.1f}"


def _versions(libraries: Sequence[str] = LIBRARIES) -> dict[str, str]:
    return {
        "photochrom": __version__,
        "python": platform.python_version(),
        **{library: metadata.version(library) for library in libraries},
    }

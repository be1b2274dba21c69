"""The files of a probe's report: probe.json, probe.csv and the plot, probe.png and probe.svg."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from pathlib import Path

from ..atomic_file import part_file, refuse_existing
from ..errors import OutputError
from ..evaluation.report.plot_style import png, svg
from .probe_plot import draw
from .probe_report import ProbeReport
from .subjects import UNTRAINED

FILES = ("probe.json", "probe.csv", "probe.png", "probe.svg")


def table(report: ProbeReport) -> list[list[str]]:
    """Rows of text for probe.csv: a header, then a row a system and stage; figures with the ends of their intervals."""
    figures = ["top_1", "top_5", *(f"over_{kind}" for kind in UNTRAINED)]
    header = ["system", "kind", "network", "size", "stage", "channels", "side", "numbers", "training_top_1"]
    rows = [header + [f"{name}{end}" for name in figures for end in ("", "_low", "_high")]]
    for system in report.systems:
        for stage, found in system.stages.items():
            row = [system.name, system.kind, system.network, str(system.size), stage]
            row += [str(found.channels), str(found.side), str(found.numbers), f"{found.training_top_1:.3f}"]
            for figure in (found.top_1, found.top_5, *(found.over.get(kind) for kind in UNTRAINED)):
                row += ["", "", ""] if figure is None else [f"{v:.3f}" for v in (figure.value, figure.low, figure.high)]
            rows.append(row)
    return rows


def require_matplotlib() -> None:
    """ImportError where the plot could not be drawn: before hours of work."""
    import matplotlib  # noqa: F401


def refuse_report(folder: Path, overwrite: bool = False) -> None:
    """OutputError where a file of the report is in `folder` already, or `folder` is a file: before hours of work."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(folder, "is a file", "expected a folder for the report")
    for name in FILES:
        refuse_existing(folder / name, overwrite)


def write(report: ProbeReport, folder: Path, overwrite: bool = False) -> None:
    """Write FILES into `folder`, which is made. Raises OutputError."""
    refuse_report(folder, overwrite)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(folder, f"could not be made ({error.strerror})", "choose another folder with -o") from error
    figure = draw(report)
    rows = io.StringIO()
    csv.writer(rows, lineterminator="\n").writerows(table(report))
    contents = (_json(report), rows.getvalue().encode(), png(figure), svg(figure))
    for name, content in zip(FILES, contents, strict=True):
        with part_file(folder / name, overwrite=overwrite) as part:
            part.write_bytes(content)


def _json(report: ProbeReport) -> bytes:
    content = asdict(report)
    content["chance"] = report.chance
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "surrogateescape")

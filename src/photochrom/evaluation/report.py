"""One evaluation from beginning to end, and its report: report.json for programs, report.md for people."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import DataError, OutputError
from .baselines import Grey, Truth
from .colour import SIDE, ColourScores, ColourTally, Interval, rebalancing
from .photographs import Photograph, read_crop, read_whole
from .semantic import Classifier, SemanticScores, SemanticTally, merged
from .systems import System

LIBRARIES = ("numpy", "onnxruntime", "pyvips", "torch", "efficientnet_lite_pytorch")
COLOUR_COLUMNS = {
    "AuC": "auc",
    "rebalanced": "rebalanced_auc",
    "rebalanced - grey": "rebalanced_gain",
    "gain@1": "gain_at_1",
    "at scale": "gain_scale",
    "RMSE ab": "rmse_ab",
    "colourfulness": "colourfulness",
}
SEMANTIC_COLUMNS = {"top-1 %": "top_1", "log-probability": "log_probability", "share won back %": "share"}
LEGEND = (
    "AuC and rebalanced AuC in %, at 256x256, every 4th pixel, all pixels pooled; rebalanced - grey in points. "
    "gain@1: the rebalanced AuC's gain over grey at the largest chroma scale (0, 0.1 .. 1.5) at which plain AuC is no "
    "lower than grey's minus 1. RMSE ab: root of the mean squared distance in the ab plane. Colourfulness: Hasler and "
    "Suesstrunk, signed. [95% interval, paired bootstrap over photographs]"
)

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many photographs are done, and of how many."""


@dataclass(frozen=True)
class Evaluation:
    """What was measured, and how."""

    data: str
    half: str
    photographs: int
    labelled: int
    command: str
    classifier: str | None
    versions: dict[str, str]
    notes: dict[str, str]
    colour: dict[str, ColourScores]
    semantic: dict[str, SemanticScores]


def _silent(what: str, done: int, total: int) -> None:
    pass


def evaluate(
    paths: Sequence[Path],
    systems: Sequence[System],
    *,
    folder: Path,
    half: str,
    labels: dict[str, int] | None = None,
    classifier: Classifier | None = None,
    command: str = "",
    seed: int = 0,
    progress: Progress = _silent,
) -> Evaluation:
    """Measure the systems on the photographs; the semantic part needs labels and a classifier.

    labels: {path in `folder`: class}. Raises DataError for two systems of one name or no labelled photograph.
    """
    names = [system.name for system in systems]
    if len(set(names)) < len(names):
        raise DataError(f"two systems have one name: {', '.join(names)}; expected different names")
    labelled = [path for path in paths if path.relative_to(folder).as_posix() in (labels or {})]
    if classifier and labels and not labelled:
        raise DataError(
            f"{folder}: none of the {len(paths)} photographs is labelled; expected a label or no classifier"
        )

    def crops(what: str) -> Iterator[Photograph]:
        for done, path in enumerate(paths, 1):
            yield read_crop(path, SIDE)
            progress(what, done, len(paths))

    weights = rebalancing(crops("weights"))
    tallies = [ColourTally(weights) for _ in systems]
    for photograph in crops("colour"):
        for system, tally in zip(systems, tallies, strict=True):
            tally.add(photograph, system.ab(photograph))
    colour = {name: tally.scores(seed) for name, tally in zip(names, tallies, strict=True)}

    semantic = {}
    if classifier and labels:
        # Grey and original are the ends of the scale: they are classified whether asked for or not, once.
        ends = [end for end in (Truth(), Grey()) if end.name not in names]
        recognised = SemanticTally(classifier)
        for done, path in enumerate(labelled, 1):
            photograph = read_whole(path)
            for each in (*ends, *systems):
                rgb = photograph.rgb if each.name == Truth.name else merged(photograph, each.ab(photograph))
                recognised.add(each.name, rgb, labels[path.relative_to(folder).as_posix()])
            progress("classification", done, len(labelled))
        semantic = {each.name: recognised.scores(each.name, seed=seed) for each in (*ends, *systems)}
    return Evaluation(
        data=folder.name,
        half=half,
        photographs=len(paths),
        labelled=len(labelled) if semantic else 0,
        command=command,
        classifier=classifier.name if classifier and semantic else None,
        versions=_versions(),
        notes={system.name: system.note for system in systems if system.note},
        colour=colour,
        semantic=semantic,
    )


def _versions() -> dict[str, str]:
    found = {"photochrom": __version__, "python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue  # an optional one
    return found


def cell(value: Interval | float, digits: int = 1) -> str:
    """A figure as text, with its interval."""
    if isinstance(value, Interval):
        return f"{value.value:.{digits}f} [{value.low:.{digits}f}, {value.high:.{digits}f}]"
    return f"{value:.{digits}f}"


def colour_rows(evaluation: Evaluation) -> list[list[str]]:
    """The colour table: a header, then a row a system."""
    rows = [["system", *COLOUR_COLUMNS]]
    for name, scores in evaluation.colour.items():
        rows.append([name, *(cell(getattr(scores, field)) for field in COLOUR_COLUMNS.values())])
    return rows


def semantic_rows(evaluation: Evaluation) -> list[list[str]]:
    """The table of the classifier: a header, then a row a system; only a header without labels."""
    rows = [["system", *SEMANTIC_COLUMNS]]
    for name, scores in evaluation.semantic.items():
        digits = {"log_probability": 3}
        rows.append([name, *(cell(getattr(scores, f), digits.get(f, 1)) for f in SEMANTIC_COLUMNS.values())])
    return rows


def original_colourfulness(evaluation: Evaluation) -> str:
    """The mean colourfulness of the original photographs, as text."""
    return cell(next(iter(evaluation.colour.values())).original_colourfulness)


def markdown(evaluation: Evaluation) -> str:
    """The report as Markdown."""
    lines = [
        f"# Evaluation on {evaluation.data}, half: {evaluation.half}, {evaluation.photographs} photographs",
        "",
        *_table(colour_rows(evaluation)),
        "",
        f"{LEGEND}. The originals' colourfulness: {original_colourfulness(evaluation)}.",
        "",
    ]
    lines += [f"- {name}: {note}" for name, note in evaluation.notes.items()]
    if evaluation.semantic:
        lines += [
            "",
            f"## {evaluation.classifier} on {evaluation.labelled} labelled photographs",
            "",
            *_table(semantic_rows(evaluation)),
            "",
            "Mean log-probability of the true class; share: of the gap between grey (0) and truth (100), won back. A "
            "classifier that was trained on these photographs flatters the absolute figures.",
        ]
    versions = ", ".join(f"{name} {version}" for name, version in evaluation.versions.items())
    lines += ["", f"Command: `{evaluation.command}`", "", f"Versions: {versions}", ""]
    return "\n".join(lines)


def _table(rows: list[list[str]]) -> list[str]:
    header, *body = rows
    return ["| " + " | ".join(row) + " |" for row in [header, ["---"] * len(header), *body]]


def _without_nan(value: Any) -> Any:
    """JSON has no NaN (the share of a gap that is not there): null."""
    if isinstance(value, dict):
        return {key: _without_nan(each) for key, each in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


def write(evaluation: Evaluation, folder: Path) -> None:
    """report.json and report.md in `folder`, made if need be. Raises OutputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(_without_nan(asdict(evaluation)), indent=2, allow_nan=False)
        (folder / "report.json").write_text(text + "\n", encoding="utf-8")
        (folder / "report.md").write_text(markdown(evaluation), encoding="utf-8")
    except OSError as error:
        raise OutputError(folder, error.strerror or str(error), "expected a folder that can be written") from error

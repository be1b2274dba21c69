"""Runs a whole evaluation: photographs and systems in, results out."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..version import __version__
from .baselines import Grey, RandomColours, Truth
from .colour import ColourTally
from .cost import measure_costs
from .judges import frechet
from .judges.semantic import semantic_scores
from .measures import ColourMeasure, JudgeMeasure, SemanticMeasure
from .measuring import Measure, Measured, measure
from .photographs import spread
from .results import Cost, Evaluation, JudgeScores, SemanticScores, SystemResult
from .survey import Progress, Source, survey
from .systems import ModelSystem, System

if TYPE_CHECKING:
    from .judges.classifier import Classifier

LIBRARIES = ("numpy", "onnxruntime", "pyvips", "scikit-image", "torch", "efficientnet_lite_pytorch")


def _silent(what: str, done: int, total: int) -> None:
    pass


def evaluate(
    paths: Sequence[Path],
    systems: Sequence[System],
    *,
    folder: Path,
    half: str,
    labels: Mapping[str, int] | None = None,
    classifier: Classifier | None = None,
    judged: bool = False,
    costs: bool = False,
    threads: int | None = None,
    command: str = "",
    seed: int = 0,
    cache: Path | None = None,
    progress: Progress = _silent,
) -> Evaluation:
    """Measure the systems on the photographs; the semantic part needs labels and a classifier.

    labels: {path in `folder`: class}. judged: with the machine judge. costs: with what models cost. cache: where rows
    are kept (None: nowhere). Raises DataError for two systems of one name, no labelled photograph, or none that can be
    judged; ModelError for a model that fails on all of them.
    """
    if cache is None:
        with tempfile.TemporaryDirectory(prefix="photochrom-") as scratch:
            return evaluate(
                paths, systems, folder=folder, half=half, labels=labels, classifier=classifier, judged=judged,
                costs=costs, threads=threads, command=command, seed=seed, cache=Path(scratch), progress=progress,
            )  # fmt: skip
    names = [system.name for system in systems]
    if len(set(names)) < len(names):
        raise DataError(f"two systems have the same name: {', '.join(names)}; expected different names")
    found = survey([Source(path.relative_to(folder).as_posix(), path) for path in paths], cache, progress)
    sources = found.kept
    known = {source.name: labels[source.name] for source in sources if source.name in labels} if labels else {}
    if classifier and labels and not known:
        raise DataError(
            f"{folder}: none of the {len(sources)} photographs is labelled; expected a label or no classifier"
        )
    wanted: list[tuple[System, Measure]] = [(system, ColourMeasure(found.weights)) for system in systems]
    semantic = None
    if classifier and known:
        semantic = SemanticMeasure(classifier, known, features=len(sources) >= frechet.MIN_PHOTOGRAPHS)
        # Grey and original define the scale, so they are always classified, once.
        wanted += [(each, semantic) for each in with_others(systems, Truth(), Grey())]
    if judged:
        from .judges.machine import MOST_PHOTOGRAPHS
        from .judges.machine_features import JudgeFeatures

        random = RandomColours([source.path for source in sources], seed)
        view = JudgeMeasure(JudgeFeatures(threads), [source.name for source in spread(sources, MOST_PHOTOGRAPHS)])
        wanted += [(each, view) for each in with_others(systems, Truth(), random)]
    measured = measure(sources, wanted, cache, progress)

    n = len(sources)
    recognised = _semantic(measured, [each.name for each in systems], seed) if semantic else {}
    distances = _frechet(measured, names) if semantic and n >= frechet.MIN_PHOTOGRAPHS else {}
    others = [name for name in names if name != Truth.name]
    verdicts, judge_note = _judge(measured, others, seed) if judged else ({}, "")
    models = list({s.colorizer.info.path: None for s in systems if isinstance(s, ModelSystem)}) if costs else []
    priced: dict[Path, Cost] = dict(zip(models, measure_costs(models, threads), strict=True))

    results = []
    for system in systems:
        rows = measured.rows(system.name, "colour")
        tally = ColourTally(rows)
        auc, gain = tally.by_photograph()
        results.append(
            SystemResult(
                name=system.name,
                kind=system.kind,
                note=system.note,
                colour=tally.scores(seed),
                curves=tally.curves(),
                ab_counts=rows["cells"].astype(np.int64),
                photo_auc=auc,
                photo_gain=gain,
                semantic=recognised.get(system.name),
                frechet=distances.get(system.name),
                judge=verdicts.get(system.name),
                cost=priced.get(system.colorizer.info.path) if isinstance(system, ModelSystem) else None,
                failed=measured.failed.get(system.name, {}),
            )
        )
    return Evaluation(
        data=folder.resolve().name,
        half=half,
        names=[source.name for source in sources],
        labelled=len(known) if semantic else 0,
        command=command,
        classifier=classifier.name if classifier and semantic else None,
        versions=_versions(),
        true_ab_counts=found.cells.astype(np.int64),
        systems=results,
        left_out={**found.unreadable, **found.grey},
        seed=seed,
        unreadable=list(found.unreadable),
        ends={name: scores for name, scores in recognised.items() if name not in names},
        judge_note=judge_note,
    )


def with_others(systems: Sequence[System], *others: System) -> list[System]:
    """The systems, and before them those of the others whose name is not among theirs."""
    names = {system.name for system in systems}
    return [*(other for other in others if other.name not in names), *systems]


def _semantic(measured: Measured, names: Sequence[str], seed: int) -> dict[str, SemanticScores]:
    rows = {
        name: measured.rows(name, "classification", "log_probability", "rank", "known")
        for name in dict.fromkeys([Grey.name, Truth.name, *names])
    }
    return {name: semantic_scores(each, rows[Grey.name], rows[Truth.name], seed) for name, each in rows.items()}


def _frechet(measured: Measured, names: Sequence[str]) -> dict[str, float]:
    """Nothing where the classifier gives no features."""
    original = _moments(measured, Truth.name)
    if original is None:
        return {}
    given = {name: _moments(measured, name) for name in names}
    found = {name: frechet.reportable_distance(each, original) for name, each in given.items() if each is not None}
    return {name: distance for name, distance in found.items() if distance is not None}


def _moments(measured: Measured, name: str) -> frechet.Moments | None:
    moments = None
    for block in measured.blocks(name, "classification", "features"):
        if block and "features" in block:
            moments = moments or frechet.Moments(block["features"].shape[1])
            moments.add(block["features"][block["features"].any(1)])  # zeros: the system failed there
    return moments


def _judge(measured: Measured, names: Sequence[str], seed: int) -> tuple[dict[str, JudgeScores], str]:
    """The judge's results, and a message if there are none."""
    from .judges.machine import MIN_PHOTOGRAPHS, MOST_ERROR, judge, trustworthy

    verdicts = {}
    for name in dict.fromkeys([RandomColours.name, *names]):
        verdicts[name] = judge(*_features_of_both(measured, name), seed=seed)
    random = verdicts[RandomColours.name]
    if random.photographs < MIN_PHOTOGRAPHS:
        found = f"{random.photographs} photographs are too few to train it; expected at least {MIN_PHOTOGRAPHS}"
        return {}, f"There is no machine judge: {found}."
    if not trustworthy(random):
        found = f"it took random colours for real, or real ones for random, in {random.error.value:.1f}% of the cases"
        return {}, f"The machine judge is not reliable here: {found}; below {MOST_ERROR:g}% is needed."
    return verdicts, ""


def _features_of_both(measured: Measured, name: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What the judge sees of the originals and of their twins, of the photographs that it judges."""
    parts = []
    blocks = zip(measured.blocks(Truth.name, "judge"), measured.blocks(name, "judge"), strict=True)
    for real, coloured in blocks:
        if real and coloured:
            there = coloured["features"].any(1)  # zeros: not judged, or the system failed there
            parts.append((real["features"][there], coloured["features"][there]))
    first, second = zip(*parts, strict=True)
    return np.concatenate(first), np.concatenate(second)


def _versions() -> dict[str, str]:
    found = {"photochrom": __version__, "python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue  # an optional one
    return found

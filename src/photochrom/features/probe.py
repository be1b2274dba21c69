"""Linear probes of several trunks on the same photographs: the paper's figure 7 (section 3.2)."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..evaluation.block_store import BlockStore, digest
from .crops import Unreadable
from .labelled import Labelled
from .linear_probe import ProbeSettings, measure_probes, train_probes
from .pooling import PooledTrunk
from .probe_features import Features, FeatureSettings, LiveFeatures, Progress, StoredFeatures, fits
from .subjects import Subject, trunk_fingerprint
from .trunk import Trunk

log = logging.getLogger(__name__)

VERSION = 1  # version of the cache: changes if the same settings would give other figures


@dataclass(frozen=True)
class Probed:
    """Results of the probes of one trunk. rows: [n] tested photographs of the labelled ones, rising; ranks: [n, stages]
    of their true class, 0 is top-1; training_top_1: [stages] share 0..1 of the training photographs, during the last
    epoch; shapes: {stage: (channels, side, side)} of the pooled features; unreadable: key -> why."""

    subject: Subject
    rows: NDArray[np.int64]
    ranks: NDArray[np.int64]
    training_top_1: NDArray[np.float64]
    shapes: dict[str, tuple[int, int, int]]
    unreadable: dict[str, str]


def probe(
    subjects: Sequence[Subject],
    labelled: Labelled,
    probes: ProbeSettings | None = None,
    features: FeatureSettings | None = None,
    *,
    device: str | None = None,
    cache: Path | None = None,
    progress: Progress = lambda what, done, total: None,
) -> list[Probed]:
    """Train and test linear classifiers on every stage of every subject; the same photographs, order and steps for all.

    device: "cpu" or "cuda" [default: "cuda" where there is one]. cache: folder in which each subject's figures are
    kept, so that a run that was interrupted goes on with the next one. Raises DataError, DivergedError, OutputError.
    """
    probes, features = probes or ProbeSettings(), features or FeatureSettings()
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return [_probe_one(subject, labelled, probes, features, device, cache, progress) for subject in subjects]


def _probe_one(
    subject: Subject,
    labelled: Labelled,
    probes: ProbeSettings,
    settings: FeatureSettings,
    device: str,
    cache: Path | None,
    progress: Progress,
) -> Probed:
    trunk = subject.make()
    pooled = PooledTrunk(trunk, subject.size)
    store = None
    if cache is not None:
        store = BlockStore(cache, _key(trunk, pooled, labelled, probes, settings))
        if (kept := store.load(0)) is not None:
            progress(f"{subject.name}: kept from an earlier run", 1, 1)
            failed = dict(kept["unreadable"].tolist())
            return Probed(subject, kept["rows"], kept["ranks"], kept["training_top_1"], pooled.shapes, failed)
    unreadable = Unreadable()
    source = _features(subject, pooled, labelled, settings, unreadable, device, progress)

    def epoch_done(epochs: int) -> None:
        progress(f"{subject.name}: epochs", epochs, probes.epochs)

    trained, training_top_1 = train_probes(source, len(labelled.classes), probes, device=device, progress=epoch_done)
    rows, ranks = measure_probes(trained, source)
    order = np.argsort(rows)
    found = Probed(
        subject,
        rows[order],
        ranks[order],
        np.array([training_top_1[stage] for stage in pooled.shapes]),
        pooled.shapes,
        unreadable.photos,
    )
    if store is not None:
        pairs = np.array(list(found.unreadable.items()), dtype=str).reshape(-1, 2)
        arrays = {"rows": found.rows, "ranks": found.ranks, "training_top_1": found.training_top_1}
        store.save(0, {**arrays, "unreadable": pairs})
    return found


def _features(
    subject: Subject,
    pooled: PooledTrunk,
    labelled: Labelled,
    settings: FeatureSettings,
    unreadable: Unreadable,
    device: str,
    progress: Progress,
) -> Features:
    if not fits(pooled, labelled, settings):
        log.warning("%s: its features are too large to store, and are computed again in each epoch", subject.name)
        return LiveFeatures(pooled, labelled, settings, unreadable, device)

    def named(what: str, done: int, total: int) -> None:
        progress(f"{subject.name}: {what}", done, total)

    return StoredFeatures(pooled, labelled, settings, unreadable, device, named)


def _key(
    trunk: Trunk, pooled: PooledTrunk, labelled: Labelled, probes: ProbeSettings, settings: FeatureSettings
) -> str:
    """Everything that the figures depend on, without how they were computed."""
    kept = {k: v for k, v in dataclasses.asdict(settings).items() if k not in ("workers", "store")}
    return digest(
        VERSION,
        trunk_fingerprint(trunk),
        pooled.size,
        pooled.sides,
        labelled.fingerprint(),
        dataclasses.asdict(probes),
        kept,
    )

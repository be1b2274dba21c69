"""The subjects of a probe: checkpoints, and the baselines of their networks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from ..errors import DataError, SettingError
from .crops import Unreadable, crop_batches
from .labelled import Labelled
from .trunk import Trunk, load_trunk, supervised_trunk, untrained_trunk

BASELINES = ("gaussian", "kmeans", "supervised", "supervised-colour")
UNTRAINED = ("gaussian", "kmeans")
INITIAL_PHOTOGRAPHS = 64  # that the data-dependent initialisation looks at
MULTIPLE = 32  # pixels: what every network's input is a multiple of


@dataclass(frozen=True)
class Subject:
    """name: in the report; kind: "checkpoint" or a baseline's; network: its name and width; size: side of its input in
    pixels; make: builds the trunk, which may take a while; note: what a reader must know of it."""

    name: str
    kind: str
    network: str
    size: int
    make: Callable[[], Trunk]
    note: str = ""


def find_subjects(
    checkpoints: Sequence[Path],
    baselines: Sequence[str],
    labelled: Labelled,
    *,
    size: int | None = None,
    supervised_size: int | None = None,
    averaged: bool = True,
    seed: int = 0,
) -> list[Subject]:
    """The checkpoints, then the untrained networks that they began as, then the supervised references.

    baselines: of BASELINES. size: pixels for all [default: what each checkpoint was trained at]; supervised_size: for
    the supervised ones [default: the checkpoints' largest]. seed: of the initialisations. Raises SettingError for an
    unknown baseline or a size that is no multiple of 32; ModelError and DataError as load_trunk; DataError where two
    checkpoints are the same file.
    """
    for baseline in baselines:
        if baseline not in BASELINES:
            raise SettingError(f"--baseline is {baseline!r}; expected one of: {', '.join(BASELINES)}")
    for option, pixels in (("--size", size), ("--supervised-size", supervised_size)):
        if pixels is not None and (pixels < MULTIPLE or pixels % MULTIPLE):
            raise SettingError(f"{option} is {pixels}; expected a multiple of {MULTIPLE} pixels")
    if not checkpoints:
        raise SettingError("nothing to probe; expected at least one checkpoint")
    trunks = {name: load_trunk(path, averaged) for name, path in _names(checkpoints).items()}
    subjects = [
        Subject(name, "checkpoint", trunk.name, size or trunk.size, _already(trunk), _note(trunk))
        for name, trunk in trunks.items()
    ]
    distinct = {(trunk.name, size or trunk.size): trunk for trunk in trunks.values()}
    several_sizes = len(distinct) > len({network for network, _ in distinct})
    for kind in (each for each in UNTRAINED if each in baselines):
        for (network, pixels), trunk in distinct.items():
            name = f"{kind} {network}" + (f" at {pixels}" if several_sizes else "")
            subjects.append(Subject(name, kind, network, pixels, _untrained(trunk, kind, labelled, pixels, seed)))
    largest = supervised_size or max(subject.size for subject in subjects)
    for kind in (each for each in BASELINES if each in baselines and each not in UNTRAINED):
        subjects.append(Subject(kind, kind, "EfficientNet-lite0", largest, _supervised(kind == "supervised-colour")))
    return subjects


def trunk_fingerprint(trunk: Trunk) -> str:
    """Differs if the features may differ."""
    digest = hashlib.sha256(f"{trunk.name} {trunk.stages} {trunk.takes_colour}".encode())
    for name, value in trunk.state_dict().items():
        digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _names(checkpoints: Sequence[Path]) -> dict[str, Path]:
    """What to call each checkpoint: its run's folder or its file; all of its path where two would share a name."""
    resolved = [path.resolve() for path in checkpoints]
    if len(set(resolved)) < len(resolved):
        twice = next(path for path, full in zip(checkpoints, resolved, strict=True) if resolved.count(full) > 1)
        raise DataError(f"{twice}: is given twice; expected each checkpoint once")
    short = [path.parent.name if path.name == "last.ckpt" else path.stem if path.is_file() else path.name
             for path in resolved]  # fmt: skip
    return {
        name if short.count(name) == 1 and name not in BASELINES else str(path): path
        for name, path in zip(short, checkpoints, strict=True)
    }


def _note(trunk: Trunk) -> str:
    """lite's recipes start from weights that were trained with labels."""
    settings = trunk.settings
    if settings is not None and settings.name == "lite" and (settings.pretrained or settings.weights):
        return "began with weights trained on ImageNet's labels: a supervised reference, not self-supervision"
    return ""


def _already(trunk: Trunk) -> Callable[[], Trunk]:
    return lambda: trunk


def _untrained(trunk: Trunk, kind: str, labelled: Labelled, size: int, seed: int) -> Callable[[], Trunk]:
    settings = trunk.settings
    assert settings is not None  # load_trunk knows it of every network

    def make() -> Trunk:
        batch = _lightness(trunk, labelled, size) if kind == "kmeans" else None
        return untrained_trunk(settings, kind, batch, seed, size)  # type: ignore[arg-type]

    return make


def _supervised(colour: bool) -> Callable[[], Trunk]:
    return lambda: supervised_trunk(colour)


def _lightness(trunk: Trunk, labelled: Labelled, size: int) -> Tensor:
    """Of some training photographs, evenly spread: [N, 1, size, size]."""
    rows = np.flatnonzero(~labelled.is_test)
    spread = rows[:: max(1, len(rows) // INITIAL_PHOTOGRAPHS)][: 2 * INITIAL_PHOTOGRAPHS]
    unreadable = Unreadable()
    for crops in crop_batches(labelled.photos, spread, size, INITIAL_PHOTOGRAPHS, unreadable):
        return trunk.prepare(crops.rgb)
    raise DataError(f"none of {len(spread)} photographs to train on can be read ({unreadable}); expected photographs")

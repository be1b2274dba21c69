"""What fine-tuning depends on besides its data: one dataclass a task, whose defaults are the published protocols'."""

from __future__ import annotations

import dataclasses
import tomllib
import typing
from dataclasses import dataclass
from typing import Any, TypeVar

from ...errors import SettingError

S = TypeVar("S", bound="Schedule")


@dataclass(frozen=True)
class Schedule:
    """Stochastic gradient descent. steps; batch: photographs of a step; lr: of weights (biases have twice that, and no
    decay); momentum; weight_decay; the rate is multiplied by step_factor every step_every steps (0: never); clip: the
    largest norm of all gradients together (0: any); dropout: behind fc6 and fc7; hidden: channels of a new fc6 and
    fc7."""

    steps: int
    batch: int
    lr: float
    momentum: float
    weight_decay: float
    step_every: int
    step_factor: float
    clip: float
    dropout: float
    hidden: int


@dataclass(frozen=True)
class ClassificationSettings(Schedule):
    """Kraehenbuehl et al. 2016, as the paper: 80,000 steps of 16 crops at 1e-3, halved every 10,000.

    size: side of the square crops in pixels, a multiple of 32 (0: the trunk's own). A crop covers crop_side of the
    photograph's short side at scale 1 (227 of VOC's 375 pixels), that over the scale else (never more than all of it);
    scales: of which it is drawn; crops: random ones of a test photograph, whose scores are averaged.
    """

    steps: int = 80_000
    batch: int = 16
    lr: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 1e-6
    step_every: int = 10_000
    step_factor: float = 0.5
    clip: float = 10.0
    dropout: float = 0.5
    hidden: int = 4096
    size: int = 0
    crop_side: float = 0.6
    scales: tuple[float, float] = (0.5, 2.0)
    crops: int = 10


@dataclass(frozen=True)
class SegmentationSettings(Schedule):
    """The paper's FCN: 150,000 steps of 20 whole photographs, at 1e-4, a tenth of it every 50,000.

    skips: how many finer strides take part in the prediction (0: none, as FCN-32s; 1 and 2: as FCN-16s and 8s); mirror:
    half of the photographs, in training; longest: side in pixels above which a photograph is reduced for the network.
    """

    steps: int = 150_000
    batch: int = 20
    lr: float = 1e-4
    momentum: float = 0.9
    weight_decay: float = 5e-4
    step_every: int = 50_000
    step_factor: float = 0.1
    clip: float = 0.0
    dropout: float = 0.5
    hidden: int = 0  # none: the prediction is a 1x1 convolution of the last stage
    skips: int = 0
    mirror: bool = False
    longest: int = 640


@dataclass(frozen=True)
class DetectionSettings(Schedule):
    """Fast R-CNN (Girshick 2015): 40,000 steps of 2 photographs and 64 boxes of each, at 1e-3, a tenth after 30,000.

    short_side, longest: of a photograph as the network sees it, in pixels; boxes: of a photograph in a step, at most
    `positives` of them with an overlap of at least `positive_overlap` with an object, the rest from negative_overlap
    on; coarsest: stride of the stage that boxes are pooled from, at most; suppression: overlap above which the less
    sure of two detections goes; least_score, most: of the detections of a photograph.
    """

    steps: int = 40_000
    batch: int = 2
    lr: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 5e-4
    step_every: int = 30_000
    step_factor: float = 0.1
    clip: float = 0.0
    dropout: float = 0.5
    hidden: int = 4096
    short_side: int = 600
    longest: int = 1000
    boxes: int = 64
    positives: float = 0.25
    positive_overlap: float = 0.5
    negative_overlap: float = 0.1
    coarsest: int = 16
    suppression: float = 0.3
    least_score: float = 0.01
    most: int = 100


def changed(settings: S, assignments: list[str]) -> S:
    """The settings with KEY=VALUE (values in TOML syntax) on top. Raises SettingError: an unknown key, another type, a
    count below what makes sense."""
    hints = typing.get_type_hints(type(settings))
    values: dict[str, Any] = {}
    for each in assignments:
        key, equals, text = each.partition("=")
        key = key.strip()
        if not equals:
            raise SettingError(f"--set {each}: expected KEY=VALUE, as in lr=1e-3")
        if key not in hints:
            raise SettingError(f"--set {each}: unknown key {key}; expected one of: {', '.join(sorted(hints))}")
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        values[key] = _checked(each, value, hints[key])
    result = dataclasses.replace(settings, **values)
    for key in ("steps", "batch", "size", "hidden", "crops", "skips", "boxes", "longest", "short_side", "most"):
        least = 0 if key in ("size", "hidden", "skips", "steps") else 1
        if (value := getattr(result, key, least)) < least:
            raise SettingError(f"{key} is {value}; expected at least {least}")
    for key in ("dropout", "positives", "crop_side", "suppression"):
        if not 0 <= (share := getattr(result, key, 0.5)) <= 1:
            raise SettingError(f"{key} is {share}; expected 0 to 1")
    if getattr(result, "size", 0) % 32:
        raise SettingError(f"size is {getattr(result, 'size', 0)}; expected a multiple of 32")
    return result


def _checked(assignment: str, value: Any, hint: Any) -> Any:
    if typing.get_origin(hint) is tuple:
        parts = typing.get_args(hint)
        if not isinstance(value, list) or len(value) != len(parts):
            raise SettingError(f"--set {assignment}: expected {len(parts)} values, as in [0.5, 2.0]")
        return tuple(_checked(assignment, v, part) for v, part in zip(value, parts, strict=True))
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise SettingError(f"--set {assignment}: {value!r} is of another type; expected {hint.__name__}")
    return value

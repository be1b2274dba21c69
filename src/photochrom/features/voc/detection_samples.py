"""Training data of the detector: photographs at its size, boxes drawn from the proposals, what each should say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from . import boxes as geometry
from .annotation import Annotation
from .boxes import Floats
from .photographs import read_photograph, to_codes
from .proposals import Proposals
from .settings import DetectionSettings


class Boxed(NamedTuple):
    """By name: the photographs' files, what is in them, where to look; classes: in their order."""

    photographs: Mapping[str, Path]
    annotations: Mapping[str, Annotation]
    proposals: Proposals
    classes: tuple[str, ...]

    def objects(self, name: str) -> tuple[Floats, NDArray[np.intp], NDArray[np.bool_]]:
        """(boxes [n, 4], classes [n] from 0, difficult [n]) of a photograph."""
        things = self.annotations[name].things
        return (
            np.array([thing.box for thing in things], np.float64).reshape(-1, 4),
            np.array([self.classes.index(thing.name) for thing in things], np.intp),
            np.array([thing.difficult for thing in things], bool),
        )


class Drawn(NamedTuple):
    """codes: uint8 [3, h, w]; boxes: float32 [R, 4] in its pixels; labels: [R], 0 for the background, else class + 1;
    targets: float32 [R, 4], see boxes.encode; of the background 0."""

    codes: Tensor
    boxes: Tensor
    labels: Tensor
    targets: Tensor


class BoxSamples:
    """A photograph with boxes drawn from its proposals and its objects' own boxes."""

    def __init__(self, data: Boxed, settings: DetectionSettings) -> None:
        self.data, self.settings = data, settings
        self.names = list(data.photographs)

    def __len__(self) -> int:
        return len(self.names)

    def draw(self, index: int, random: np.random.Generator) -> Drawn:
        name = self.names[index]
        objects, classes, difficult = self.data.objects(name)
        proposals = np.concatenate([self.data.proposals[name].astype(np.float64), objects[~difficult]])
        chosen, best = sample(proposals, objects, difficult, self.settings, random)
        boxes = proposals[chosen]
        positive = best >= 0
        labels, targets = np.zeros(len(chosen), np.int64), np.zeros((len(chosen), 4))
        labels[positive] = classes[best[positive]] + 1
        targets[positive] = geometry.encode(boxes[positive], objects[best[positive]])
        image, scale = at_size(read_photograph(self.data.photographs[name]), self.settings)
        boxes = boxes * np.tile(scale, 2)
        if mirror := random.random() < 0.5:
            boxes = geometry.mirror(boxes, image.width)
            targets[:, 0] *= -1
        return Drawn(
            to_codes(image, mirror),
            torch.from_numpy(boxes.astype(np.float32)),
            torch.from_numpy(labels),
            torch.from_numpy(targets.astype(np.float32)),
        )


def sample(
    proposals: Floats,
    objects: Floats,
    difficult: NDArray[np.bool_],
    settings: DetectionSettings,
    random: np.random.Generator,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """(indices [R] of proposals, for each the object that it stands for, or -1: background), R <= settings.boxes.

    A proposal is positive where its best overlap with an object is at least positive_overlap; those nearest to a
    difficult object are neither. The background is taken from those whose best overlap is between negative_overlap and
    positive_overlap, and only for want of such ones from those with less.
    """
    table = geometry.overlaps(proposals, objects)
    most = table.max(1) if len(objects) else np.zeros(len(proposals))
    best = table.argmax(1) if len(objects) else np.zeros(len(proposals), np.intp)
    near = most >= settings.positive_overlap
    ignored = near & difficult[best] if len(objects) else near
    positive = np.flatnonzero(near & ~ignored)
    hard = np.flatnonzero(~near & (most >= settings.negative_overlap))
    easy = np.flatnonzero(~near & (most < settings.negative_overlap))
    positive = random.permutation(positive)[: round(settings.positives * settings.boxes)]
    wanted = settings.boxes - len(positive)
    negative = np.concatenate([random.permutation(hard), random.permutation(easy)])[:wanted].astype(np.intp)
    chosen = np.concatenate([positive, negative])
    return chosen, np.concatenate([best[positive], np.full(len(negative), -1)])


def at_size(image: Image.Image, settings: DetectionSettings) -> tuple[Image.Image, Floats]:
    """The photograph as the detector sees it, and by what its width and height were multiplied: the short side becomes
    short_side, or less where the long one would exceed longest."""
    factor = min(settings.short_side / min(image.size), settings.longest / max(image.size))
    width, height = (max(1, round(side * factor)) for side in image.size)
    scale = np.array([width / image.width, height / image.height])
    return image.resize((width, height), Image.Resampling.BILINEAR), scale

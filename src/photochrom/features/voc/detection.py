"""Where the objects are: Fast R-CNN (Girshick 2015) on a trunk.

The trunk runs once over a photograph; the features in each proposal are pooled to 6 x 6, and fc6 and fc7 make of them
the scores of the classes and the background, and for each class a better box.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...errors import DataError
from ..trunk import Trunk
from . import boxes as geometry
from .average_precision import mean_average_precision
from .body import Body, default_stage
from .boxes import Floats
from .detection_samples import Boxed, BoxSamples, Drawn, at_size
from .detection_scores import Found, Truth, class_precision
from .fine_tuning import Samples
from .layout import VocFolder
from .photographs import read_photograph, stacked, stored_size, to_codes
from .proposals import Proposals
from .report import Scores
from .roi_pooling import roi_pool
from .settings import DetectionSettings
from .tops import GRID, AlexNetTop, NewTop, alexnet_top, answer_layer, has_top

AT_A_TIME = 256  # boxes of a test photograph that fc6 sees at once


class Detector(nn.Module):
    """forward: sRGB codes uint8 [N, 3, H, W] (multiples of 32), boxes [R, 4] in their pixels and which of the N each
    lies in [R], to (logits [R, 1 + classes], 0 is the background; codes of boxes [R, classes, 4], see boxes.decode)."""

    def __init__(self, body: Body, classes: int, settings: DetectionSettings) -> None:
        super().__init__()
        self.body = body
        self.top: AlexNetTop | NewTop
        if has_top(body):
            self.top = alexnet_top(body, "boxes", settings.dropout)
        else:
            self.top = NewTop(body.trunk.channels[body.stage], settings.hidden, settings.dropout)
        self.classify = answer_layer(self.top.channels, 1 + classes)
        self.place = answer_layer(self.top.channels, classes * 4, spread=0.001)

    def features(self, codes: Tensor) -> Tensor:
        """[N, C, H/s, W/s] of the stage that boxes are pooled from."""
        return cast(Tensor, self.body(codes)[self.body.stage])

    def look(self, features: Tensor, boxes: Tensor, photograph: Tensor) -> tuple[Tensor, Tensor]:
        stride = self.body.trunk.strides[self.body.stage]
        x = self.top(roi_pool(features, boxes, photograph, stride, GRID))
        return self.classify(x), self.place(x).unflatten(1, (-1, 4))

    def forward(self, codes: Tensor, boxes: Tensor, photograph: Tensor) -> tuple[Tensor, Tensor]:
        return self.look(self.features(codes), boxes, photograph)


def box_loss(logits: Tensor, codes: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """Fast R-CNN's: cross-entropy plus, for the boxes of objects, the smooth L1 distance of their class's codes, both
    divided by the number of boxes."""
    positive = labels > 0
    own = codes[positive, labels[positive] - 1]
    placed = functional.smooth_l1_loss(own, targets[positive], reduction="sum") / max(1, len(labels))
    return functional.cross_entropy(logits, labels) + placed


class Detection:
    """The task (see experiment.Task). proposals: of all photographs of both splits."""

    name = "det"
    purpose: Literal["Main"] = "Main"

    def __init__(self, settings: DetectionSettings, proposals: Callable[[Mapping[str, Path]], Proposals]) -> None:
        self.settings, self.proposals = settings, proposals

    def stage(self, trunk: Trunk) -> str:
        return default_stage(trunk, self.settings.coarsest)

    def read(self, folder: VocFolder, photographs: Mapping[str, Path], split: str) -> Boxed:
        annotations = {name: folder.annotation(name) for name in photographs}
        for name, annotation in annotations.items():
            size = stored_size(photographs[name])
            if size != (annotation.width, annotation.height):
                raise DataError(
                    f"{folder.root / 'Annotations' / name}.xml: says {annotation.width} x {annotation.height} pixels; "
                    f"expected {size[0]} x {size[1]}, as the photograph has: its boxes may be of another size too"
                )
        proposals = {
            name: np.asarray(boxes)[np.all(boxes[:, :2] < (annotations[name].width, annotations[name].height), axis=1)]
            for name, boxes in self.proposals(photographs).items()
        }
        return Boxed(photographs, annotations, proposals, folder.classes)

    def model(self, body: Body, classes: int) -> Detector:
        return Detector(body, classes, self.settings)

    def samples(self, data: Boxed) -> Samples:
        return BoxSamples(data, self.settings)

    def loss(self, model: nn.Module, batch: list[Any]) -> Tensor:
        device = next(model.parameters()).device
        drawn: list[Drawn] = batch
        counts = [len(each.boxes) for each in drawn]
        photograph = torch.repeat_interleave(torch.arange(len(drawn)), torch.tensor(counts)).to(device)
        boxes, labels, targets = (
            torch.cat([getattr(each, part) for each in drawn]).to(device) for part in ("boxes", "labels", "targets")
        )
        logits, codes = model(stacked([each.codes for each in drawn]).to(device), boxes, photograph)
        return box_loss(logits, codes, labels, targets)

    def predict(self, model: nn.Module, data: Boxed, done: Callable[[int, int], None]) -> dict[str, list[Found]]:
        """name of a photograph -> the detections of each class."""
        found = {}
        for i, (name, path) in enumerate(data.photographs.items()):
            found[name] = detect(cast(Detector, model), read_photograph(path), data.proposals[name], self.settings)
            done(i + 1, len(data.photographs))
        return found

    def score(self, folder: VocFolder, data: Boxed, predicted: dict[str, list[Found]]) -> Scores:
        precisions, rows = [], []
        for number, name in enumerate(folder.classes):
            truth = []
            for photograph in data.photographs:
                boxes, classes, difficult = data.objects(photograph)
                truth.append(Truth(boxes[classes == number], difficult[classes == number]))
            precisions.append(
                class_precision([predicted[photograph][number] for photograph in data.photographs], truth)
            )
            objects = sum(int((~each.difficult).sum()) for each in truth)
            rows.append({"class": name, **asdict(precisions[-1]), "objects": objects})
        return Scores(asdict(mean_average_precision(precisions)), rows)


@torch.inference_mode()
def detect(model: Detector, image: Any, proposals: Floats, settings: DetectionSettings) -> list[Found]:
    """The detections of each class in a photograph (a PIL image), boxes in its own pixels, best first."""
    device = next(model.parameters()).device
    small, scale = at_size(image, settings)
    features = model.features(stacked([to_codes(small)]).to(device))
    scaled = torch.from_numpy((proposals * np.tile(scale, 2)).astype(np.float32)).to(device)
    parts = []
    for boxes in scaled.split(AT_A_TIME):
        logits, codes = model.look(features, boxes, torch.zeros(len(boxes), dtype=torch.long, device=device))
        parts.append((logits.softmax(1).double().cpu().numpy(), codes.double().cpu().numpy()))
    if not parts:  # no proposal lies in the photograph
        return [Found(np.zeros((0, 4)), np.zeros(0)) for _ in range(model.classify.out_features - 1)]
    shares, offsets = (np.concatenate(each) for each in zip(*parts, strict=True))
    found = []
    for number in range(offsets.shape[1]):
        sure = np.flatnonzero(shares[:, number + 1] >= settings.least_score)
        boxes = geometry.decode(proposals[sure].astype(np.float64), offsets[sure, number])
        boxes, scores = geometry.clip(boxes, image.width, image.height), shares[sure, number + 1]
        kept = geometry.suppress(boxes, scores, settings.suppression)
        found.append(Found(boxes[kept], scores[kept]))
    return _best(found, settings.most)


def _best(found: list[Found], most: int) -> list[Found]:
    """The `most` surest detections of a photograph, over all classes."""
    scores = np.concatenate([each.scores for each in found])
    if len(scores) <= most:
        return found
    least = np.sort(scores)[-most]
    return [Found(each.boxes[each.scores >= least], each.scores[each.scores >= least]) for each in found]

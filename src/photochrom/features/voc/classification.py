"""Which classes are in a photograph: multi-label classification, as Kraehenbuehl et al. (2016) measure features by it.

Training: random crops at random scales, mirrored half of the time; a sigmoid and cross-entropy for each class, summed
over the classes, mean over photographs. A class of which a photograph has only difficult objects counts neither way, in
the loss and in the scores. Testing: the scores of ten random crops, drawn as in training, are averaged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from ..trunk import Trunk
from .average_precision import average_precision, mean_average_precision
from .body import Body, default_stage
from .fine_tuning import Samples
from .layout import VocFolder
from .photographs import multiple, read_photograph, to_codes
from .report import Scores
from .settings import ClassificationSettings
from .tops import AlexNetTop, MeanTop, NewTop, alexnet_top, answer_layer, has_top

Tune = Literal["fc8", "fc6-8", "all"]
DRAWN_FOR_TEST = 2  # so that the crops of the test have random numbers of their own
ANSWER_BIAS = 0.1  # Kraehenbuehl et al.'s


class Labelled(NamedTuple):
    """photographs: name -> file; labels: [photographs, classes] of 1, -1 and 0 (see VocFolder.labels)."""

    photographs: Mapping[str, Path]
    labels: NDArray[np.int8]


class Classifier(nn.Module):
    """sRGB codes uint8 [N, 3, H, W] (multiples of 32) to the scores of the classes, logits [N, classes].

    tune: what learns. "fc8": the new last layer alone. "fc6-8": the fully connected layers; those of a trunk that has
    none of its own are new. "all": the trunk too.
    """

    def __init__(self, body: Body, classes: int, tune: Tune, settings: ClassificationSettings) -> None:
        super().__init__()
        self.body = body
        channels = body.trunk.channels[body.stage]
        self.top: AlexNetTop | NewTop | MeanTop
        if has_top(body):
            self.top = alexnet_top(body, "whole", settings.dropout)
        elif tune == "fc8":
            self.top = MeanTop(channels, settings.dropout)
        else:
            self.top = NewTop(channels, settings.hidden, settings.dropout)
        self.fc8 = answer_layer(self.top.channels, classes, bias=ANSWER_BIAS)
        body.requires_grad_(tune == "all")
        self.top.requires_grad_(tune != "fc8")

    def forward(self, codes: Tensor) -> Tensor:
        return cast(Tensor, self.fc8(self.top(self.body(codes)[self.body.stage])))


def random_crop(image: Image.Image, size: int, settings: ClassificationSettings, random: np.random.Generator) -> Tensor:
    """A random square of the photograph as uint8 [3, size, size], mirrored half of the time."""
    share = min(1.0, settings.crop_side / random.uniform(*settings.scales))
    side = share * min(image.size)
    left, top = random.uniform(0, image.width - side), random.uniform(0, image.height - side)
    crop = image.resize((size, size), Image.Resampling.BILINEAR, (left, top, left + side, top + side))
    return to_codes(crop, mirror=random.random() < 0.5)


class CropSamples:
    """Random crops with their labels: (uint8 [3, size, size], [classes])."""

    def __init__(self, data: Labelled, size: int, settings: ClassificationSettings) -> None:
        self.paths, self.labels = list(data.photographs.values()), data.labels
        self.size, self.settings = size, settings

    def __len__(self) -> int:
        return len(self.paths)

    def draw(self, index: int, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        image = read_photograph(self.paths[index])
        return random_crop(image, self.size, self.settings, random), torch.from_numpy(self.labels[index])


def label_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Sigmoid cross-entropy of logits [N, classes] and labels (1, -1; 0: ignored), summed over classes."""
    each = functional.binary_cross_entropy_with_logits(logits, (labels > 0).float(), reduction="none")
    return (each * (labels != 0)).sum() / len(logits)


class Classification:
    """The task (see experiment.Task)."""

    name = "cls"
    purpose: Literal["Main"] = "Main"

    def __init__(self, settings: ClassificationSettings, tune: Tune, seed: int = 0) -> None:
        self.settings, self.tune, self.seed = settings, tune, seed
        self.size = settings.size

    def stage(self, trunk: Trunk) -> str:
        return default_stage(trunk)

    def read(self, folder: VocFolder, photographs: Mapping[str, Path], split: str) -> Labelled:
        return Labelled(photographs, folder.labels(list(photographs), split))

    def model(self, body: Body, classes: int) -> Classifier:
        self.size = self.settings.size or multiple(body.trunk.size)
        return Classifier(body, classes, self.tune, self.settings)

    def samples(self, data: Labelled) -> Samples:
        return CropSamples(data, self.size, self.settings)

    def loss(self, model: nn.Module, batch: list[Any]) -> Tensor:
        device = next(model.parameters()).device
        crops, labels = (torch.stack(parts).to(device) for parts in zip(*batch, strict=True))
        return label_loss(model(crops), labels)

    @torch.inference_mode()
    def predict(self, model: nn.Module, data: Labelled, done: Callable[[int, int], None]) -> NDArray[np.float64]:
        """Scores [photographs, classes]."""
        device = next(model.parameters()).device
        scores = []
        for i, path in enumerate(data.photographs.values()):
            random = np.random.default_rng((self.seed, DRAWN_FOR_TEST, i))
            image = read_photograph(path)
            crops = [random_crop(image, self.size, self.settings, random) for _ in range(self.settings.crops)]
            scores.append(model(torch.stack(crops).to(device)).mean(0).double().cpu().numpy())
            done(i + 1, len(data.photographs))
        return np.array(scores)

    def score(self, folder: VocFolder, data: Labelled, predicted: NDArray[np.float64]) -> Scores:
        precisions, rows = [], []
        for name, scores, labels in zip(folder.classes, predicted.T, data.labels.T, strict=True):
            precisions.append(average_precision(scores[labels != 0], labels[labels != 0] > 0))
            rows.append({"class": name, **asdict(precisions[-1]), "photographs": int((labels > 0).sum())})
        return Scores(asdict(mean_average_precision(precisions)), rows)

"""The class of each pixel: a fully convolutional network (Long, Shelhamer, Darrell 2015) on a trunk.

A 1x1 convolution of the deepest features gives the classes and the background, bilinear enlargement brings them to the
photograph's size; with skips, 1x1 convolutions of finer stages are added on the way. Whole photographs; the loss is the
cross-entropy, mean over the pixels of a photograph that are not void, and over photographs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from ...errors import DataError, SettingError
from ..trunk import Trunk
from .body import Body, default_stage
from .fine_tuning import Samples
from .label_map import VOID, read_mask
from .layout import VocFolder
from .mean_iou import Confusion
from .photographs import read_photograph, stacked, stored_size, to_codes
from .report import Scores
from .settings import SegmentationSettings
from .tops import STRIDE, alexnet_top, has_top

BACKGROUND = "background"


class Masked(NamedTuple):
    """name -> file, of the photographs and of their masks; classes: without the background."""

    photographs: Mapping[str, Path]
    masks: Mapping[str, Path]
    classes: int


class Segmenter(nn.Module):
    """sRGB codes uint8 [N, 3, H, W] (multiples of 32) to logits [N, 1 + classes, H, W]; 0 is the background.

    Raises SettingError for more skips than there are finer strides.
    """

    def __init__(self, body: Body, classes: int, settings: SegmentationSettings) -> None:
        super().__init__()
        self.body = body
        trunk = body.trunk
        self.top = alexnet_top(body, "dense", settings.dropout) if has_top(body) else None
        channels, stride = (
            (trunk.channels[body.stage], trunk.strides[body.stage]) if self.top is None else (self.top.channels, STRIDE)
        )
        self.score = nn.Conv2d(channels, 1 + classes, 1)
        _fill(self.score, 0.01)
        finer = {trunk.strides[s]: s for s in trunk.stages if trunk.strides[s] < stride}  # the deepest of each stride
        if settings.skips > len(finer):
            raise SettingError(
                f"skips is {settings.skips}; expected at most {len(finer)}: {trunk.name} has so many "
                f"strides finer than {stride}"
            )
        self.skips = nn.ModuleDict()  # stage -> its 1x1, from coarse to fine
        for each in sorted(finer, reverse=True)[: settings.skips]:
            self.skips[finer[each]] = layer = nn.Conv2d(trunk.channels[finer[each]], 1 + classes, 1)
            _fill(layer, 0.0)  # at first the prediction is that without it

    def forward(self, codes: Tensor) -> Tensor:
        features = self.body(codes)
        deepest = features[self.body.stage]
        scores: Tensor = self.score(deepest if self.top is None else self.top(deepest))
        for stage, layer in self.skips.items():
            scores = _enlarged(scores, features[stage]) + layer(features[stage])
        return _enlarged(scores, codes)


def _fill(layer: nn.Conv2d, spread: float) -> None:
    """Gaussian weights, no bias."""
    nn.init.normal_(layer.weight, 0, spread)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def _enlarged(scores: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(scores, size=like.shape[2:], mode="bilinear", align_corners=False)


class PixelSamples:
    """Whole photographs with their masks: (uint8 [3, h, w], [h, w])."""

    def __init__(self, data: Masked, settings: SegmentationSettings) -> None:
        self.data, self.settings = data, settings
        self.names = list(data.photographs)

    def __len__(self) -> int:
        return len(self.names)

    def draw(self, index: int, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        name = self.names[index]
        image = reduced(read_photograph(self.data.photographs[name]), self.settings.longest)
        truth = Image.fromarray(read_mask(self.data.masks[name], self.data.classes))
        mask = np.asarray(truth.resize(image.size, Image.Resampling.NEAREST))
        mirror = self.settings.mirror and random.random() < 0.5
        return to_codes(image, mirror), torch.from_numpy((mask[:, ::-1] if mirror else mask).copy())


def reduced(image: Image.Image, longest: int) -> Image.Image:
    """The photograph with sides of at most `longest` pixels."""
    if max(image.size) <= longest:
        return image
    width, height = (max(1, round(side * longest / max(image.size))) for side in image.size)
    return image.resize((width, height), Image.Resampling.BILINEAR)


def pixel_loss(logits: Tensor, masks: list[Tensor]) -> Tensor:
    """logits [N, classes, H, W], masks [h, w] of the upper left of each, VOID where there is no class. A photograph
    that is void all over counts 0."""
    truth = torch.full((len(masks), *logits.shape[2:]), VOID, dtype=torch.long, device=logits.device)
    for target, mask in zip(truth, masks, strict=True):
        target[: mask.shape[0], : mask.shape[1]] = mask
    each = functional.cross_entropy(logits, truth, ignore_index=VOID, reduction="none").sum((1, 2))
    return (each / (truth != VOID).sum((1, 2)).clamp(min=1)).mean()


class Segmentation:
    """The task (see experiment.Task)."""

    name = "seg"
    purpose: Literal["Segmentation"] = "Segmentation"

    def __init__(self, settings: SegmentationSettings) -> None:
        self.settings = settings

    def stage(self, trunk: Trunk) -> str:
        return default_stage(trunk)

    def read(self, folder: VocFolder, photographs: Mapping[str, Path], split: str) -> Masked:
        classes = len(folder.classes)
        masks = {name: folder.mask(name) for name in photographs}
        for name, path in masks.items():  # check all of them now, not after a night of training
            height, width = read_mask(path, classes).shape
            if (size := stored_size(photographs[name])) != (width, height):
                raise DataError(
                    f"{path}: has {width} x {height} pixels; expected {size[0]} x {size[1]}, as the photograph"
                )
        return Masked(photographs, masks, classes)

    def model(self, body: Body, classes: int) -> Segmenter:
        return Segmenter(body, classes, self.settings)

    def samples(self, data: Masked) -> Samples:
        return PixelSamples(data, self.settings)

    def loss(self, model: nn.Module, batch: list[Any]) -> Tensor:
        device = next(model.parameters()).device
        photographs, masks = zip(*batch, strict=True)
        return pixel_loss(model(stacked(list(photographs)).to(device)), [mask.to(device) for mask in masks])

    @torch.inference_mode()
    def predict(self, model: nn.Module, data: Masked, done: Callable[[int, int], None]) -> Confusion:
        """The confusions of all photographs, each at its full size."""
        device = next(model.parameters()).device
        confusion = Confusion(1 + data.classes)
        for i, (name, path) in enumerate(data.photographs.items()):
            truth = read_mask(data.masks[name], data.classes)
            codes = to_codes(reduced(read_photograph(path), self.settings.longest))
            logits = model(stacked([codes]).to(device))[:, :, : codes.shape[1], : codes.shape[2]]
            if logits.shape[2:] != truth.shape:
                logits = functional.interpolate(logits, size=truth.shape, mode="bilinear", align_corners=False)
            confusion.add(truth, logits[0].argmax(0).cpu().numpy())
            done(i + 1, len(data.photographs))
        return confusion

    def score(self, folder: VocFolder, data: Masked, predicted: Confusion) -> Scores:
        pixels = predicted.table.sum(1)
        rows: list[dict[str, Any]] = [
            {"class": name, "iou": float(value), "pixels": int(count)}
            for name, value, count in zip((BACKGROUND, *folder.classes), predicted.per_class(), pixels, strict=True)
        ]
        return Scores({"iou": predicted.mean(), "pixel_accuracy": predicted.accuracy()}, rows)

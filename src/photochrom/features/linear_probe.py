"""Linear classifiers on the frozen features of a trunk's stages, all trained at once (section 3.2 of the paper).

Each stage has a batch norm without scale and shift and one linear layer. They share batches and steps, and nothing
else: the loss is the sum of theirs, no parameter is another's, and no step depends on the size of all gradients
together. So each is trained as it would be alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ..errors import DataError, DivergedError, SettingError
from .probe_features import Features

EPS = 1e-8  # epsilon of the batch norms: only prevents division by zero for constant channels


@dataclass(frozen=True)
class ProbeSettings:
    """epochs: visits of each training photograph; lr: the first learning rate, which falls to 0 along a cosine;
    momentum and weight_decay (per step and unit of lr): of the stochastic gradient descent. The defaults were chosen on
    a validation split of 60 classes of 64-pixel photographs, 120 each."""

    epochs: int = 10
    lr: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 0.1

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise SettingError(f"epochs is {self.epochs}; expected at least 1")
        if not 0 < self.lr < math.inf:
            raise SettingError(f"lr is {self.lr}; expected a finite number above 0")


class StageClassifier(nn.Module):
    """Features [N, C, side, side] to logits [N, classes]. Initialised to zero, so nothing is random."""

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        # momentum=None: the mean over all batches, for the features are frozen and their statistics stay.
        self.norm = nn.BatchNorm2d(shape[0], eps=EPS, momentum=None, affine=False)
        self.linear = nn.Linear(math.prod(shape), classes)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.linear(self.norm(features).flatten(1))
        return logits


class LinearProbes(nn.Module):
    """{stage: features [N, C, side, side]} to {stage: logits [N, classes]}, for the stages of `shapes`."""

    def __init__(self, shapes: dict[str, tuple[int, int, int]], classes: int) -> None:
        super().__init__()
        self.stages = nn.ModuleDict({stage: StageClassifier(shape, classes) for stage, shape in shapes.items()})

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        return {stage: classifier(features[stage]) for stage, classifier in self.stages.items()}


def train_probes(
    features: Features,
    classes: int,
    settings: ProbeSettings,
    *,
    stages: Iterable[str] | None = None,
    device: str = "cpu",
    progress: Callable[[int], None] = lambda epochs: None,
) -> tuple[LinearProbes, dict[str, float]]:
    """(the classifiers, in eval mode; each stage's top-1 on its training photographs during the last epoch, 0..1).

    stages: those to train [default: all]. progress: called with the epochs done. Raises DivergedError where a loss is
    no finite number, DataError where no training photograph can be read.
    """
    wanted = list(features.shapes) if stages is None else list(stages)
    probes = LinearProbes({stage: features.shapes[stage] for stage in wanted}, classes).to(device).train()
    optimizer = torch.optim.SGD(
        probes.parameters(), lr=settings.lr, momentum=settings.momentum, weight_decay=settings.weight_decay
    )
    right, seen = dict.fromkeys(wanted, 0), 0
    for epoch in range(settings.epochs):
        right, seen = dict.fromkeys(wanted, 0), 0
        for step, batch in enumerate(features.training(epoch)):
            if len(batch.labels) < 2:
                continue  # too few for batch statistics
            done = (epoch + step / features.steps) / settings.epochs
            optimizer.param_groups[0]["lr"] = settings.lr * 0.5 * (1 + math.cos(math.pi * done))
            logits = probes(batch.features)
            losses = {stage: functional.cross_entropy(found, batch.labels) for stage, found in logits.items()}
            total = torch.stack(list(losses.values())).sum()
            if not torch.isfinite(total):
                stage = next(stage for stage, loss in losses.items() if not torch.isfinite(loss))
                raise DivergedError(
                    f"the loss of the classifier on {stage} is not finite in epoch {epoch + 1}; "
                    f"expected it to fall: try a learning rate below {settings.lr:g}"
                )
            optimizer.zero_grad(set_to_none=True)
            total.backward()
            optimizer.step()
            for stage, found in logits.items():
                right[stage] += int((found.argmax(1) == batch.labels).sum())
            seen += len(batch.labels)
        if not seen:
            raise DataError("fewer than 2 photographs to train on can be read; expected more")
        progress(epoch + 1)
    return probes.eval(), {stage: count / seen for stage, count in right.items()}


@torch.no_grad()
def measure_probes(probes: LinearProbes, features: Features) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(rows [n] of the labelled photographs that were tested, ranks [n, stages] of their true class: 0 is top-1, below
    5 is top-5). Classes that score the same as the true one count against it. Raises DataError where none can be read.
    """
    rows, ranks = [], []
    for batch in features.testing():
        columns = []
        for logits in probes(batch.features).values():
            own = logits.gather(1, batch.labels[:, None])
            columns.append((logits >= own).sum(1) - 1)
        rows.append(batch.rows)
        ranks.append(torch.stack(columns, 1).cpu().numpy())
    if not rows:
        raise DataError("no photograph to test on can be read; expected some")
    return np.concatenate(rows), np.concatenate(ranks)

"""Knowledge distillation (Hinton et al. 2015): the target of each pixel is the teachers' average distribution.

A photograph shows one of the plausible colours of an object; a trained network predicts a distribution over them. An
ensemble of different networks is better than each of them, and a student learns it without the cost. The teachers get
the clean photograph even where the student's input is augmented, so the student learns to be robust.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .. import ab_bins
from ..errors import ModelError, RecipeError
from ..models import open_session

EVERY = 2  # the loss uses every STEP-th row and column, with a changing offset


class Teachers:
    """The geometric mean of the probabilities of several model files (DESIGN's graph contract, with probabilities).

    Not an nn.Module, so that the teachers' weights enter neither checkpoints nor weight averaging. The crop is resized
    for each teacher so that its output has the student's size: a teacher of stride 8 gets the crop at twice the size
    for a student of stride 4.
    """

    def __init__(self, files: str, threads: int | None = None) -> None:
        """files: paths or names of models, with commas between them. Raises RecipeError."""
        names = [name.strip() for name in files.split(",") if name.strip()]
        try:
            self._teachers = [open_session(name, threads, output="probabilities") for name in names]
        except ModelError as error:
            raise RecipeError(f"loss.teachers: {error}") from error
        if not self._teachers:
            raise RecipeError(f"loss.teachers is {files!r}; expected model files, with commas between them")

    def __deepcopy__(self, memo: dict[int, Any]) -> Teachers:
        return self  # the averaged copy of the task needs no teachers

    def probabilities(self, lightness: Tensor, side: int, start: tuple[int, int] = (0, 0), step: int = 1) -> Tensor:
        """Of square lightness [N, 1, S, S], 0..100: [N, 313, side, side], or every `step`-th row and column of that
        from `start` on."""
        total: Tensor | float = 0.0
        for session, info in self._teachers:
            size = side * info.stride
            seen = lightness
            if size != lightness.shape[-1]:
                seen = functional.interpolate(
                    lightness, (size, size), mode="bilinear", antialias=size < lightness.shape[-1]
                )
            inputs = {"lightness": seen.cpu().numpy(), "temperature": np.ones(1, np.float32)}
            (found,) = session.run(["probabilities"], inputs)
            there = torch.from_numpy(found[:, :, start[0] :: step, start[1] :: step]).to(lightness.device)
            total = total + there.clamp(min=1e-9).log()
        assert isinstance(total, Tensor)  # there is at least one teacher
        return torch.softmax(total / len(self._teachers), dim=1)

    def loss(self, output: Tensor, lightness: Tensor, turn: int = 0) -> Tensor:
        """Cross-entropy of the student's logits [N, 313, h, h], the mean over a quarter of the pixels, in nats. No
        class weights: the teachers' probabilities already contain those of their training.

        turn: which quarter, any integer. Neighbours are highly correlated, and all pixels would take a fifth longer.
        """
        if output.shape[1] != ab_bins.Q:
            raise RecipeError(f"loss.teachers is for networks over the {ab_bins.Q} bins; expected none")
        start = turn // EVERY % EVERY, turn % EVERY
        wanted = self.probabilities(lightness, output.shape[-1], start, EVERY)
        student = functional.log_softmax(output[:, :, start[0] :: EVERY, start[1] :: EVERY].float(), dim=1)
        return -(wanted * student).sum(1).mean()

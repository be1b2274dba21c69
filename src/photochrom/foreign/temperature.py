"""Is the temperature of the annealed mean (section 2.3 of the paper) folded into a network's last weights?

The authors' Caffe network multiplies its 313 logits by 2.606, about 1 / 0.38, before the softmax; whether their PyTorch
weights have that factor inside is not documented. It is measured: T is fitted so that softmax(logits / T) has the least
soft cross-entropy with the true colours of a few photographs. A calibrated network has T near 1;
with the factor inside, near 2.6 (with its inverse, near 0.38).

The paper's network was trained with class weights w, so it approaches w p (normalised) instead of p. T is therefore
fitted twice: to the plain cross-entropy, and to the weighted one of the training (equation 2; lambda 1/2, w from the
photographs' colours). Whether and how w was used, the true T lies between the two fits. If they agree, that is the
decision; otherwise it is undecided.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyvips
import torch
from numpy.typing import NDArray
from torch import nn

from .. import ab_bins
from ..data.photograph import NEAR_GREY
from ..errors import DataError, PhotoError
from ..evaluation.photographs import Photograph, list_photographs, read_crop, spread

Floats = NDArray[np.float64]

FOLDED = 2.606  # of the authors' Caffe network
CANDIDATES = (1 / FOLDED, 1.0, FOLDED)  # temperatures of a network with 1 / 2.606, nothing, 2.606 folded in
CLEAR = math.sqrt(FOLDED)  # half-way between two of them: a fitted T must be within this factor of one
# nats below the ln 313 of a uniform prediction: random weights gain 0.04 at some T, `lite` gains 2
INFORMED = 0.5
SIDE = 256  # pixels; of the authors' photographs
MOST = 16  # photographs
CELLS = 1024  # per photograph: neighbours are highly correlated
SAMPLES = ("astronaut", "chelsea", "coffee", "rocket")  # colour photographs that scikit-image's package contains


@dataclass(frozen=True)
class Fit:
    """temperature: the T of the least cross-entropy (inf: the logits are uninformative); cross_entropy: that
    least one, in nats; at_candidates: the cross-entropy at each of CANDIDATES."""

    temperature: float
    cross_entropy: float
    at_candidates: tuple[float, ...]

    def __str__(self) -> str:
        at = ", ".join(f"{h:.2f} at {t:.2f}" for t, h in zip(CANDIDATES, self.at_candidates, strict=True))
        return f"T = {self.temperature:.2f} (cross-entropy {self.cross_entropy:.2f}; {at})"

    @property
    def candidate(self) -> float | None:
        """The one of CANDIDATES that it is near to; none if the logits are nearly uninformative."""
        if self.cross_entropy > math.log(ab_bins.Q) - INFORMED:
            return None
        near = (t for t in CANDIDATES if 1 / CLEAR < self.temperature / t < CLEAR)
        return next(near, None)


@dataclass(frozen=True)
class Measured:
    """plain, rebalanced: the two fits; photographs: how many; decision: "folded", "not folded" or "undecided"; factor:
    what to multiply the logits by so that T = 1 is the plain distribution, 1 where undecided."""

    plain: Fit
    rebalanced: Fit
    photographs: int
    decision: str
    factor: float

    def __str__(self) -> str:
        outcome = {
            "folded": f"a factor of {1 / self.factor:.3f} is folded in, and was taken out",
            "not folded": "not folded in",
            "undecided": "undecided whether it is folded in, the weights stay as they are",
        }[self.decision]
        return (
            f"{outcome}; fitted to {self.photographs} photographs: plain {self.plain}, with class weights "
            f"{self.rebalanced}"
        )

    def to_dict(self) -> dict[str, Any]:
        """For JSON, which has no inf: then None."""
        text = json.dumps(asdict(self))
        return json.loads(text, parse_constant=lambda _: None)


class Cells(NamedTuple):
    """Of one photograph: logits [n, 313]; the soft codes of the true colours: bins [n, k], their weights [n, k]."""

    logits: Floats
    bins: NDArray[np.int64]
    weights: Floats


def sample_photographs() -> list[Photograph]:
    """The colour photographs inside scikit-image, 256 x 256; none where it is not installed."""
    try:
        import skimage.data
    except ImportError:
        return []
    photographs = []
    for name in SAMPLES:
        try:
            rgb = getattr(skimage.data, name)()
        except OSError:  # a version that would download it
            continue
        image = pyvips.Image.new_from_array(rgb, interpretation="srgb")
        photographs.append(Photograph(name, image.thumbnail_image(SIDE, height=SIDE, crop="centre").numpy()))
    return photographs


def folder_photographs(folder: Path) -> list[Photograph]:
    """At most MOST colour photographs of a folder, evenly spread over it, 256 x 256. Near-grey and unreadable ones are
    left out; raises DataError if none is left."""
    photographs = []
    for path in spread(list_photographs(folder), MOST):
        try:
            photograph = read_crop(path, SIDE)
        except PhotoError:
            continue
        if np.abs(photograph.ab).max() > NEAR_GREY:
            photographs.append(photograph)
    if not photographs:
        raise DataError(f"{folder}: no colour photograph could be read; expected some to measure the temperature on")
    return photographs


def measure(network: nn.Module, photographs: Sequence[Photograph]) -> Measured:
    """Fit T on photographs that the network was not trained on. network: lightness [1, 1, H, W] -> logits
    [1, 313, H/s, W/s], with `stride` s, which divides the photographs' sides."""
    return fit([_cells(network, photograph) for photograph in photographs])


def fit(cells: Sequence[Cells]) -> Measured:
    """The same from the network's logits of each photograph and its true colours."""
    bins, weights = (np.concatenate([getattr(c, name) for c in cells]) for name in ("bins", "weights"))
    prior = np.bincount(bins.ravel(), weights.ravel(), minlength=ab_bins.Q)
    class_weights = ab_bins.class_weights(prior)
    plain = _fit(cells, np.ones(ab_bins.Q))
    rebalanced = _fit(cells, class_weights)
    found = plain.candidate if plain.candidate == rebalanced.candidate else None
    decision = "undecided" if found is None else "not folded" if found == 1 else "folded"
    return Measured(plain, rebalanced, len(cells), decision, 1.0 if found is None else 1 / found)


def _cells(network: nn.Module, photograph: Photograph) -> Cells:
    stride = int(network.stride)  # type: ignore[arg-type]
    ab = photograph.ab
    height, width = ab.shape[0] // stride, ab.shape[1] // stride
    means = ab.reshape(height, stride, width, stride, 2).mean((1, 3)).reshape(-1, 2)  # as in training
    with torch.inference_mode():
        output = network(torch.from_numpy(np.ascontiguousarray(photograph.lightness))[None, None])
    logits = output[0].flatten(1).T.double().numpy()
    chosen = np.random.default_rng(0).permutation(len(means))[:CELLS]
    return Cells(logits[chosen], *ab_bins.soft_encode(means[chosen]))


def _fit(cells: Sequence[Cells], class_weights: Floats) -> Fit:
    """Newton's method on 1 / T, in which the cross-entropy is convex."""
    inverse = 1.0
    value, slope, curvature = _derivatives(cells, class_weights, inverse)
    for _ in range(30):
        step = slope / max(curvature, 1e-12)
        if abs(step) < 1e-6 * max(1.0, abs(inverse)):
            break
        while (there := _derivatives(cells, class_weights, inverse - step))[0] > value and abs(step) > 1e-9:
            step /= 2  # until the cross-entropy falls
        inverse -= step
        value, slope, curvature = there
    return Fit(
        1 / inverse if inverse > 1e-3 else math.inf,
        value,
        tuple(_derivatives(cells, class_weights, 1 / t)[0] for t in CANDIDATES),
    )


def _derivatives(cells: Sequence[Cells], class_weights: Floats, inverse: float) -> tuple[float, float, float]:
    """The weighted mean cross-entropy at 1 / T = inverse, and its first and second derivatives."""
    sums = np.zeros(4)
    for logits, bins, weights in cells:
        z = inverse * logits
        z -= z.max(1, keepdims=True)
        p = np.exp(z)
        total = p.sum(1, keepdims=True)
        p /= total
        log_p = np.take_along_axis(z, bins, 1) - np.log(total)
        mean = (p * logits).sum(1)
        true_mean = (weights * np.take_along_axis(logits, bins, 1)).sum(1)
        variance = (p * logits**2).sum(1) - mean**2
        counts = class_weights[bins[:, 0]]  # of the nearest bin, as in the loss
        sums += [counts @ x for x in (-(weights * log_p).sum(1), mean - true_mean, variance, np.ones(len(mean)))]
    value, slope, curvature, count = (float(x) for x in sums)
    return value / count, slope / count, curvature / count

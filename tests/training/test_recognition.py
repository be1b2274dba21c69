from __future__ import annotations

import numpy as np
import pytest
import skimage.data
import torch
from torch.nn import functional

from photochrom.training.lab_torch import rgb_to_lab
from photochrom.training.recipe import load_recipe
from photochrom.training.recognition import Recognition
from photochrom.training.task import ColorizationTask


@pytest.fixture(scope="module")
def crops() -> torch.Tensor:
    """uint8 [4, 3, 128, 128] of a cat and a cup."""
    cat, cup = skimage.data.chelsea(), skimage.data.coffee()
    windows = [cat[40:296:2, 100:356:2], cat[60:188, 150:278], cup[100:356:2, 200:456:2], cup[:256:2, 100:356:2]]
    return torch.from_numpy(np.stack(windows)).permute(0, 3, 1, 2).contiguous()


@pytest.fixture(scope="module")
def recognition() -> Recognition:
    return Recognition()


@pytest.mark.usefixtures("one_thread")
def test_true_colours_lose_nothing_grey_and_wrong_ones_do(crops: torch.Tensor, recognition: Recognition) -> None:
    lab = rgb_to_lab(crops)
    truth = lab[:, 1:]
    kept, grey, wrong = (float(recognition(crops, lab[:, :1], ab)) for ab in (truth, truth * 0, -truth))
    assert 0 <= kept < 0.01
    assert min(grey, wrong) > 0.1


@pytest.mark.usefixtures("one_thread")
def test_is_the_divergence_by_its_definition(crops: torch.Tensor, recognition: Recognition) -> None:
    lab = rgb_to_lab(crops)
    classifier = recognition._classifier
    ab = functional.avg_pool2d(lab[:, 1:], 4) * 0
    with torch.no_grad():
        p = classifier((crops.float() - 127) / 128).double().softmax(1)
        grey = torch.from_numpy(np.repeat(_grey_codes(lab[:, 0].numpy())[:, None], 3, 1))
        q = classifier((grey.float() - 127) / 128).double().softmax(1)
    by_hand = (p * (p / q).log()).sum(1).mean()
    assert float(recognition(crops, lab[:, :1], ab)) == pytest.approx(float(by_hand), rel=1e-3)


def _grey_codes(lightness: np.ndarray) -> np.ndarray:
    """sRGB codes of greys of these lightnesses, by the formulas of CIE and IEC."""
    f = (lightness + 16) / 116
    linear = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29))
    return 255 * np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)


@pytest.mark.usefixtures("one_thread")
def test_the_gradient_reaches_the_colours_not_the_classifier(crops: torch.Tensor, recognition: Recognition) -> None:
    ab = torch.zeros(4, 2, 32, 32, requires_grad=True)
    before = [p.clone() for p in recognition._classifier.parameters()]
    recognition(crops, rgb_to_lab(crops)[:, :1], ab).backward()
    assert ab.grad is not None and ab.grad.abs().max() > 0
    assert all(p.grad is None for p in recognition._classifier.parameters())
    assert all(torch.equal(p, q) for p, q in zip(recognition._classifier.parameters(), before, strict=True))


def test_checkpoints_do_not_hold_the_classifier() -> None:
    recipe = load_recipe("small/lite", ["loss.recognition=1.0", "network.pretrained=false"])
    task = ColorizationTask(recipe, np.full(313, 1 / 313))
    assert task.recognition is not None
    assert not any("classifier" in key for key in task.state_dict())
    assert ColorizationTask(load_recipe("small/lite", ["network.pretrained=false"]), task.prior).recognition is None

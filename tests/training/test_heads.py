"""Each head: its loss against a loop, its decode against what was encoded."""

import math

import numpy as np
import pytest
import torch
from skimage import color, data

from photochrom import ab_bins
from photochrom.training.heads import (
    AB_SCALE,
    CHROMAS,
    HEADS,
    HUE_WEIGHT,
    HUES,
    MOST_CHROMA,
    Classification,
    HueChroma,
    Regression,
    Uv,
)
from photochrom.training.recipe import Loss


@pytest.fixture(scope="module")
def lab():
    photographs = [getattr(data, name)()[:256:8, :256:8] for name in ("astronaut", "coffee", "chelsea")]
    return torch.from_numpy(np.stack([color.rgb2lab(p).transpose(2, 0, 1) for p in photographs])).float()  # [3,3,32,32]


def head(name):
    return HEADS[name](Loss(name=name), np.full(ab_bins.Q, 1 / ab_bins.Q))


@pytest.mark.parametrize("name", HEADS)
def test_near_grey_photographs_do_not_count(name, lab):
    found = head(name)
    output = torch.randn(3, found.channels, 32, 32)
    faded = lab.clone()
    faded[1, 1:] *= 4 / faded[1, 1:].abs().max()
    total, pixels = found.loss(output, faded[:, 1:], faded[:, :1])
    kept = [0, 2]
    expected, all_pixels = found.loss(output[kept], faded[kept, 1:], faded[kept, :1])
    assert pixels == all_pixels == 2 * 32 * 32
    assert torch.allclose(total, expected)


@pytest.mark.parametrize("name", HEADS)
def test_the_loss_can_be_learnt_from(name, lab):
    found = head(name)
    output = torch.zeros(3, found.channels, 32, 32, requires_grad=True)
    total, pixels = found.loss(output, lab[:, 1:], lab[:, :1])
    (total / pixels).backward()
    assert torch.isfinite(output.grad).all() and output.grad.abs().max() > 0


def test_classification_decodes_as_ab_bins_does(lab):
    found = head("classification")
    assert isinstance(found, Classification)
    logits = torch.randn(1, ab_bins.Q, 4, 5) * 3
    expected = ab_bins.annealed_mean(torch.softmax(logits, 1).permute(0, 2, 3, 1).numpy(), 0.38)
    assert np.abs(found.decode(logits, lab[:1, :1], 0.38).permute(0, 2, 3, 1).numpy() - expected).max() < 1e-3
    assert torch.allclose(found.probabilities(logits).sum(1), torch.ones(1, 4, 5))


def test_regression(lab):
    found, ab = head("regression"), lab[:, 1:]
    assert isinstance(found, Regression)
    assert torch.allclose(found.decode(ab / AB_SCALE, lab[:, :1], 0.38), ab, atol=1e-4)
    output = torch.randn(3, 2, 32, 32)
    total, _ = found.loss(output, ab, lab[:, :1])
    assert math.isclose(float(total), float(((output.numpy() - ab.numpy() / 110) ** 2).sum() / 2), rel_tol=1e-4)


def test_hue_and_chroma_against_a_loop(lab):
    found = head("hue-chroma")
    assert isinstance(found, HueChroma)
    ab = lab[:1, 1:, :4, :4]
    ab[0, 0, 0, 0] = 100
    output = torch.randn(1, HUES + CHROMAS, 4, 4, generator=torch.Generator().manual_seed(0))
    log_hue = np.log(torch.softmax(output[:, :HUES], 1).numpy()[0])
    log_chroma = np.log(torch.softmax(output[:, HUES:], 1).numpy()[0])
    expected = 0.0
    for y in range(4):
        for x in range(4):
            a, b = ab[0, :, y, x].tolist()
            chroma, hue = math.hypot(a, b), math.atan2(b, a) % (2 * math.pi)
            at = hue / (2 * math.pi) * HUES - 0.5
            low, share = math.floor(at), at - math.floor(at)
            hue_loss = -(1 - share) * log_hue[low % HUES, y, x] - share * log_hue[(low + 1) % HUES, y, x]
            at = min(max(chroma / MOST_CHROMA * CHROMAS - 0.5, 0), CHROMAS - 1)
            low, share = math.floor(at), at - math.floor(at)
            above = min(low + 1, CHROMAS - 1)
            chroma_loss = -(1 - share) * log_chroma[low, y, x] - share * log_chroma[above, y, x]
            expected += chroma_loss + HUE_WEIGHT * chroma / MOST_CHROMA * hue_loss
    assert math.isclose(float(found.loss(output, ab, lab[:1, :1, :4, :4])[0]), expected, rel_tol=1e-4)


def test_hue_and_chroma_come_back_from_sure_histograms(lab):
    found, ab = head("hue-chroma"), lab[:, 1:]
    chroma, turn = ab.norm(dim=1), torch.atan2(ab[:, 1], ab[:, 0]) / (2 * math.pi) % 1
    logits = torch.zeros(3, HUES + CHROMAS, 32, 32)
    logits.scatter_(1, (turn * HUES).long().clamp(max=HUES - 1)[:, None], 50.0)
    logits.scatter_(1, HUES + (chroma / MOST_CHROMA * CHROMAS).long().clamp(max=CHROMAS - 1)[:, None], 50.0)
    # Half a bin of chroma, and half a bin of hue at this chroma.
    allowed = MOST_CHROMA / CHROMAS / 2 + chroma * math.pi / HUES + 0.5
    assert ((found.decode(logits, lab[:, :1], 1.0) - ab).norm(dim=1) <= allowed).all()


def test_chroma_fades_where_the_hues_disagree(lab):
    found = head("hue-chroma")
    logits = torch.zeros(1, HUES + CHROMAS, 1, 1)  # every hue alike
    logits[:, HUES + 20] = 50
    assert found.decode(logits, lab[:1, :1, :1, :1], 1.0).norm() < 1


def test_uv_comes_back_as_ab(lab):
    found = head("uv")
    assert isinstance(found, Uv)
    rgb = torch.from_numpy(color.lab2rgb(lab.permute(0, 2, 3, 1).numpy())).permute(0, 3, 1, 2).float()
    y = (rgb * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1)
    uv = torch.stack([0.492 * (rgb[:, 2] - y), 0.877 * (rgb[:, 0] - y)], 1)
    total, pixels = found.loss(uv, lab[:, 1:], lab[:, :1])
    assert total / pixels < 1e-6
    distance = (found.decode(uv, lab[:, :1], 1.0) - lab[:, 1:]).norm(dim=1)
    assert distance.mean() < 0.5 and distance.quantile(0.99) < 3

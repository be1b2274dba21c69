"""Segmentation: the network's shapes, void, and that eight photographs are learnt by heart."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from photochrom.errors import DataError, SettingError
from photochrom.features.trunk import Trunk
from photochrom.features.voc.body import Body
from photochrom.features.voc.classes import VOC_CLASSES
from photochrom.features.voc.fine_tuning import fine_tune
from photochrom.features.voc.label_map import VOID, read_mask
from photochrom.features.voc.layout import VocFolder
from photochrom.features.voc.segmentation import PixelSamples, Segmentation, Segmenter, pixel_loss, reduced
from photochrom.features.voc.settings import SegmentationSettings
from photochrom.nets.alexnet import AlexNet

from .miniature import make_devkit

pytestmark = pytest.mark.usefixtures("one_thread")
QUICK = SegmentationSettings(steps=100, batch=8, lr=0.2, clip=1.0, step_every=0, skips=2)


def test_eight_photographs_are_learnt_by_heart(tmp_path, small_trunk):
    """In a set of three classes: with VOC's 20 it takes twice as long."""
    classes = ("bird", "car", "sheep")
    make_devkit(tmp_path, {name: number for number, name in enumerate(classes, 1)})
    folder = VocFolder(tmp_path, "2012", classes)
    task = Segmentation(QUICK)
    names = folder.names("Segmentation", "trainval")
    data = task.read(folder, {name: folder.photograph(name) for name in names}, "trainval")
    torch.manual_seed(0)
    model = task.model(Body(small_trunk), 3)
    fine_tune(model, task.samples(data), lambda batch: task.loss(model, batch), QUICK)
    confusion = task.predict(model, data, lambda i, n: None)
    scores = task.score(folder, data, confusion)
    assert scores.means["iou"] > 0.95
    assert [row["class"] for row in scores.classes] == ["background", *classes]
    masks = [read_mask(path, 3) for path in data.masks.values()]
    assert confusion.table.sum() == sum((mask != VOID).sum() for mask in masks)
    assert scores.classes[2]["pixels"] == sum((mask == 2).sum() for mask in masks) > 0


@pytest.mark.parametrize("skips", [0, 1, 2])
def test_shapes(small_trunk, skips):
    model = Segmenter(Body(small_trunk), 20, SegmentationSettings(skips=skips))
    assert model(torch.zeros(2, 3, 64, 96, dtype=torch.uint8)).shape == (2, 21, 64, 96)
    assert list(model.skips) == ["conv2", "conv1"][:skips]


def test_too_many_skips(small_trunk):
    with pytest.raises(SettingError, match="skips is 3; expected at most 2: small has so many strides finer than 8"):
        Segmenter(Body(small_trunk), 20, SegmentationSettings(skips=3))


def test_skips_change_nothing_at_first(small_trunk):
    """Beyond the order of enlargement: twice by 2 is not once by 4, so against that written out."""
    torch.manual_seed(0)
    model = Segmenter(Body(small_trunk), 4, SegmentationSettings(skips=1)).eval()
    codes = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        scores = model.score(model.body(codes)["conv4"])
        for side in (16, 64):
            scores = functional.interpolate(scores, size=(side, side), mode="bilinear")
        assert torch.allclose(model(codes), scores, atol=1e-6)


@pytest.mark.parametrize("skips", [0, 2])
def test_alexnet_at_stride_32(skips):
    torch.manual_seed(0)
    network = AlexNet(1 / 16)
    model = Segmenter(Body(Trunk(network, "alexnet", 192)), 20, SegmentationSettings(skips=skips)).eval()
    assert model(torch.zeros(1, 3, 192, 128, dtype=torch.uint8)).shape == (1, 21, 192, 128)
    assert list(model.skips) == ["conv5", "conv1"][:skips]


def test_the_loss_by_hand():
    logits = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    masks = [torch.tensor([[0, 1], [VOID, 2]], dtype=torch.uint8), torch.tensor([[2]], dtype=torch.uint8)]
    shares = logits.log_softmax(1)
    first = -(shares[0, 0, 0, 0] + shares[0, 1, 0, 1] + shares[0, 2, 1, 1]) / 3
    wanted = (first - shares[1, 2, 0, 0]) / 2
    assert torch.isclose(pixel_loss(logits, masks), wanted)
    void = torch.full((4, 4), VOID, dtype=torch.uint8)
    assert pixel_loss(logits, [void, void]) == 0


def test_photographs_and_masks_stay_together(folder, paths):
    """Mirrored or not, reduced or not."""
    task = Segmentation(QUICK)
    data = task.read(folder, paths, "trainval")
    samples = PixelSamples(data, SegmentationSettings(mirror=True, longest=64))
    widths = set()
    for seed in range(6):
        codes, mask = samples.draw(0, np.random.default_rng(seed))
        assert codes.shape == (3, 48, 64)
        assert mask.shape == (48, 64)
        disc = codes[:, mask == 3].float().mean(1)
        assert (abs(disc - torch.tensor([250.0, 230, 90])) < 12).all()  # the yellow disc
        widths.add(int(np.flatnonzero((mask == 3).any(0))[0]))
    assert len(widths) == 2


def test_reduced():
    image = Image.new("RGB", (200, 100))
    assert reduced(image, 200) is image
    assert reduced(image, 50).size == (50, 25)


def test_large_photographs_are_scored_at_their_own_size(folder, paths, small_trunk):
    task = Segmentation(SegmentationSettings(longest=64))
    data = task.read(folder, paths, "trainval")
    model = task.model(Body(small_trunk), 20).eval()
    confusion = task.predict(model, data, lambda i, n: None)
    assert confusion.table.sum() == sum((read_mask(path, 20) != VOID).sum() for path in data.masks.values())


def test_a_mask_of_another_size(own_devkit):
    folder = VocFolder(own_devkit, "2012", VOC_CLASSES)
    names = folder.names("Segmentation", "train")
    Image.fromarray(np.zeros((96, 64), np.uint8)).save(folder.mask(names[1]))
    paths = {name: folder.photograph(name) for name in names}
    with pytest.raises(DataError, match=rf"{names[1]}\.png: has 64 x 96 pixels; expected 128 x 96, as the photograph"):
        Segmentation(QUICK).read(folder, paths, "train")

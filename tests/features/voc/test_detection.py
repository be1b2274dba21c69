"""Detection: which boxes are drawn, the loss, and that eight photographs are learnt by heart."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from photochrom.errors import DataError
from photochrom.features.trunk import Trunk
from photochrom.features.voc import boxes as geometry
from photochrom.features.voc.body import Body
from photochrom.features.voc.classes import VOC_CLASSES
from photochrom.features.voc.detection import Detection, Detector, box_loss, detect
from photochrom.features.voc.detection_samples import BoxSamples, at_size, sample
from photochrom.features.voc.fine_tuning import fine_tune
from photochrom.features.voc.layout import VocFolder
from photochrom.features.voc.proposals import read_proposals
from photochrom.features.voc.settings import DetectionSettings
from photochrom.nets.alexnet import AlexNet

pytestmark = pytest.mark.usefixtures("one_thread")
QUICK = DetectionSettings(steps=100, batch=2, lr=0.01, hidden=64, dropout=0.0, short_side=96, longest=128, step_every=0)


@pytest.fixture
def task(proposals_file):
    return Detection(QUICK, lambda photographs: read_proposals([proposals_file], list(photographs)))


def test_eight_photographs_are_learnt_by_heart(folder, paths, small_trunk, task):
    data = task.read(folder, paths, "trainval")
    torch.manual_seed(0)
    model = task.model(Body(small_trunk), 20)
    fine_tune(model, task.samples(data), lambda batch: task.loss(model, batch), QUICK)
    found = task.predict(model, data, lambda i, n: None)
    scores = task.score(folder, data, found)
    assert scores.means["exact"] > 0.95
    assert scores.means["eleven_point"] > 0.95
    rows = {row["class"]: row for row in scores.classes}
    assert sum(row["objects"] for row in rows.values()) == 12
    assert np.isnan(rows["dog"]["exact"])


def test_boxes_are_drawn_as_in_fast_r_cnn(random):
    objects = np.array([[0.0, 0, 10, 10], [50, 50, 60, 60]])
    difficult = np.array([False, True])
    proposals = np.concatenate(
        [
            np.tile([[0.0, 0, 10, 10]], (40, 1)),  # positive
            np.tile([[0.0, 0, 10, 40]], (60, 1)),  # overlap 0.25
            np.tile([[90.0, 90, 99, 99]], (50, 1)),  # none
            np.tile([[50.0, 50, 60, 61]], (30, 1)),  # on the difficult one
        ]
    )
    settings = DetectionSettings()
    chosen, best = sample(proposals, objects, difficult, settings, random)
    assert len(chosen) == 64
    assert (best >= 0).sum() == 16  # a quarter
    assert (chosen[best >= 0] < 40).all()
    assert (best[best >= 0] == 0).all()
    background = chosen[best < 0]
    assert ((background >= 40) & (background < 100)).all()
    assert len(set(chosen)) == 64


def test_background_without_overlap_only_for_want_of_other(random):
    objects, easy = np.array([[0.0, 0, 10, 10]]), np.tile([[90.0, 90, 99, 99]], (50, 1))
    proposals = np.concatenate([[[0.0, 0, 10, 10], [0, 0, 10, 40]], easy])
    chosen, best = sample(proposals, objects, np.array([False]), DetectionSettings(), random)
    assert len(chosen) == 52  # there are no more
    assert {0, 1} < set(chosen)
    assert (best >= 0).sum() == 1
    chosen, best = sample(proposals, np.zeros((0, 4)), np.zeros(0, bool), DetectionSettings(boxes=20), random)
    assert len(chosen) == 20
    assert (best == -1).all()


def test_drawn_boxes_say_where_their_objects_are(folder, paths, task):
    """Mirrored and enlarged: the decoded targets are the objects' boxes, and what is there has the object's colour."""
    data = task.read(folder, paths, "trainval")
    samples = BoxSamples(data, dataclasses.replace(QUICK, short_side=144, longest=400))
    mirrored = set()
    for seed in range(6):
        drawn = samples.draw(0, np.random.default_rng(seed))
        assert drawn.codes.shape == (3, 144, 192)
        positive = drawn.labels > 0
        assert (drawn.labels[positive] == 1 + VOC_CLASSES.index("bird")).all()
        assert positive.any()
        assert (drawn.targets[~positive] == 0).all()
        where = geometry.decode(
            drawn.boxes[positive].numpy().astype(float), drawn.targets[positive].numpy().astype(float)
        )
        assert np.allclose(where, where[0], atol=0.01)
        box = np.array(data.annotations["000001"].things[0].box) * 1.5
        flipped = not np.allclose(where[0], box, atol=0.05)
        mirrored.add(flipped)
        assert np.allclose(where[0], geometry.mirror(box[None], 192)[0] if flipped else box, atol=0.05)
        x, y = (round(v) for v in (where[0][:2] + where[0][2:]) / 2)
        assert (abs(drawn.codes[:, y, x].float() - torch.tensor([250.0, 230, 90])) < 12).all()
    assert mirrored == {False, True}


def test_the_size_that_the_detector_sees():
    settings = DetectionSettings(short_side=600, longest=1000)
    image, scale = at_size(Image.new("RGB", (500, 375)), settings)
    assert image.size == (800, 600)
    assert np.allclose(scale, 1.6)
    image, scale = at_size(Image.new("RGB", (200, 500)), settings)
    assert image.size == (400, 1000)


def test_the_loss_by_hand():
    logits = torch.tensor([[1.0, 2.0, 0.5], [0.3, 0.1, 0.2]])
    codes = torch.tensor([[[9.0] * 4, [0.5, 0.0, -2.0, 0.0]], [[9.0] * 4, [9.0] * 4]])
    labels, targets = torch.tensor([2, 0]), torch.tensor([[0.0, 0, 0, 0], [0, 0, 0, 0]])
    shares = logits.log_softmax(1)
    wanted = -(shares[0, 2] + shares[1, 0]) / 2 + (0.5 * 0.5**2 + (2 - 0.5)) / 2  # the background has no place
    assert torch.isclose(box_loss(logits, codes, labels, targets), wanted)
    nothing = box_loss(logits, codes, torch.tensor([0, 0]), targets)
    assert torch.isclose(nothing, -(shares[0, 0] + shares[1, 0]) / 2)


def test_detections_in_the_photograph_s_own_pixels(small_trunk):
    """A detector that is made to say "class 1, moved by half its width" wherever it looks."""
    model = Detector(Body(small_trunk), 2, QUICK).eval()
    with torch.no_grad():
        for layer in (model.classify, model.place):
            layer.weight.zero_()
        model.classify.bias.copy_(torch.tensor([0.0, 5.0, -9.0]))
        model.place.bias.copy_(torch.tensor([5.0, 0, 0, 0, 0, 0, 0, 0]))  # 0.5 / 0.1
    proposals = np.array([[10.0, 20, 30, 60], [100, 100, 220, 140]])
    found = detect(model, Image.new("RGB", (250, 190)), proposals, QUICK)
    assert sorted(found[0].boxes.tolist()) == [[20, 20, 40, 60], [160, 100, 250, 140]]  # cut at the edge
    assert np.allclose(found[0].scores, torch.tensor([0.0, 5, -9]).softmax(0)[1])
    assert len(found[1].boxes) == 0  # not sure enough
    best = detect(model, Image.new("RGB", (250, 190)), proposals, dataclasses.replace(QUICK, least_score=0.0, most=1))
    assert sum(len(each.scores) for each in best) <= 2


def test_no_proposal_in_the_photograph(small_trunk):
    model = Detector(Body(small_trunk), 3, QUICK).eval()
    found = detect(model, Image.new("RGB", (64, 64)), np.zeros((0, 4)), QUICK)
    assert [len(each.boxes) for each in found] == [0, 0, 0]


def test_alexnet_s_own_layers():
    torch.manual_seed(0)
    model = Detector(Body(Trunk(AlexNet(1 / 16), "alexnet", 192)), 20, QUICK)
    boxes, which = torch.tensor([[0.0, 0, 60, 60], [10, 10, 90, 50]]), torch.tensor([0, 1])
    logits, codes = model(torch.zeros(2, 3, 96, 96, dtype=torch.uint8), boxes, which)
    assert (logits.shape, codes.shape) == ((2, 21), (2, 20, 4))
    (logits.sum() + codes.sum()).backward()
    assert model.body.trunk.network.conv1[0].weight.grad is not None
    assert model.top.fc6[0].weight.grad is not None


def test_an_annotation_of_another_size(own_devkit, task):
    folder = VocFolder(own_devkit, "2007", VOC_CLASSES)
    path = own_devkit / "VOC2007" / "Annotations" / "000002.xml"
    path.write_text(path.read_text().replace("<width>128<", "<width>256<"))
    paths = {name: folder.photograph(name) for name in ("000001", "000002")}
    with pytest.raises(DataError, match=r"000002\.xml: says 256 x 96 pixels; expected 128 x 96"):
        task.read(folder, paths, "trainval")

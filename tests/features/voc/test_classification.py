"""Classification: what learns, what the loss ignores, crops, and that eight photographs are learnt by heart."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from photochrom.features.trunk import Trunk
from photochrom.features.voc.body import Body
from photochrom.features.voc.classification import Classification, Classifier, CropSamples, label_loss, random_crop
from photochrom.features.voc.fine_tuning import fine_tune
from photochrom.features.voc.settings import ClassificationSettings
from photochrom.nets.alexnet import AlexNet

pytestmark = pytest.mark.usefixtures("one_thread")
QUICK = ClassificationSettings(
    steps=100,
    batch=8,
    lr=0.01,
    hidden=64,
    dropout=0.0,
    size=96,
    crop_side=1.0,
    scales=(1.0, 1.0),
    crops=4,
    step_every=70,
    step_factor=0.1,
)


def test_eight_photographs_are_learnt_by_heart(folder, paths, small_trunk):
    task = Classification(QUICK, "all")
    data = task.read(folder, paths, "trainval")
    torch.manual_seed(0)
    model = task.model(Body(small_trunk), 20)
    before = task.score(folder, data, task.predict(model.eval(), data, lambda i, n: None)).means
    fine_tune(model, task.samples(data), lambda batch: task.loss(model, batch), QUICK)
    scores = task.score(folder, data, task.predict(model, data, lambda i, n: None))
    assert before["exact"] < 0.9
    assert scores.means["exact"] > 0.95
    assert scores.means["eleven_point"] > 0.95
    rows = {row["class"]: row for row in scores.classes}
    assert len(rows) == 20
    assert np.isnan(rows["dog"]["exact"])  # there is none
    assert rows["car"]["photographs"] == int((data.labels[:, 6] == 1).sum()) > 0


def learning(model):
    names = {name for name, p in model.named_parameters() if p.requires_grad}
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize(
    ("tune", "parts", "top"),
    [("fc8", {"fc8"}, "MeanTop"), ("fc6-8", {"fc8", "top"}, "NewTop"), ("all", {"fc8", "top", "body"}, "NewTop")],
)
def test_what_learns(small_trunk, tune, parts, top):
    model = Classifier(Body(small_trunk), 20, tune, QUICK)
    assert learning(model) == parts
    assert type(model.top).__name__ == top


@pytest.mark.parametrize(
    ("tune", "parts"), [("fc8", {"fc8"}), ("fc6-8", {"fc8", "top"}), ("all", {"fc8", "top", "body"})]
)
def test_alexnet_s_own_layers(tune, parts):
    torch.manual_seed(0)
    network = AlexNet(1 / 16)
    fc6 = network.fc6[0].weight
    model = Classifier(Body(Trunk(network, "alexnet", 192)), 20, tune, QUICK)
    assert model.top.fc6[0].weight is fc6
    assert learning(model) == parts
    assert model(torch.zeros(2, 3, 192, 192, dtype=torch.uint8)).shape == (2, 20)


def test_the_loss_leaves_out_what_is_difficult():
    logits = torch.tensor([[2.0, -1.0, 3.0], [0.5, 4.0, -2.0]])
    labels = torch.tensor([[1, -1, 0], [0, 1, -1]])
    wanted = -(
        functional.logsigmoid(torch.tensor([2.0, 1.0])).sum() + functional.logsigmoid(torch.tensor([4.0, 2.0])).sum()
    )
    assert torch.isclose(label_loss(logits, labels), wanted / 2)


def test_the_scores_leave_out_what_is_difficult(folder, paths):
    task = Classification(QUICK, "all")
    data = task.read(folder, paths, "trainval")
    labels = -np.ones_like(data.labels)
    labels[:3, 0] = 1, 0, -1
    predicted = np.zeros(labels.shape)
    predicted[:3, 0] = 1, 2, 0.5  # the difficult one is the surest
    row = task.score(folder, data._replace(labels=labels), predicted).classes[0]
    assert (row["exact"], row["photographs"]) == (1.0, 1)


def test_crops_are_squares_of_the_size_that_the_scale_says(random):
    """On a photograph whose code is its column, a crop's first and last columns tell where it was."""
    columns = np.broadcast_to(np.arange(200, dtype=np.uint8), (100, 200))
    image = Image.fromarray(np.stack([columns] * 3, -1))
    settings = ClassificationSettings(crop_side=0.6, scales=(0.5, 2.0))
    sides, mirrored = [], 0
    for _ in range(200):
        row = random_crop(image, 32, settings, random)[0, 0].float()
        spread = float(row[-2] - row[1])
        mirrored += spread < 0
        sides.append(abs(spread) * 32 / 29)
    assert 60 < mirrored < 140
    assert min(sides) > 100 * 0.6 / 2 - 3
    assert max(sides) < 100 + 4
    assert np.mean(np.array(sides) > 98) > 0.03  # scales below 0.6 would need more than there is: all of it


def test_samples_depend_on_their_random_numbers_alone(folder, paths):
    task = Classification(QUICK, "all")
    samples = CropSamples(task.read(folder, paths, "trainval"), 64, ClassificationSettings())
    first, again, other = (samples.draw(2, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert torch.equal(first[0], again[0])
    assert not torch.equal(first[0], other[0])
    assert first[0].shape == (3, 64, 64)
    assert (first[1] == other[1]).all()


def test_the_crops_of_the_test_are_averaged(folder, paths, small_trunk):
    task = Classification(QUICK, "fc8", seed=4)
    data = task.read(folder, {"000001": paths["000001"]}, "trainval")
    model = task.model(Body(small_trunk), 20).eval()
    random = np.random.default_rng((4, 2, 0))
    with Image.open(paths["000001"]) as image:
        crops = torch.stack([random_crop(image.convert("RGB"), 96, QUICK, random) for _ in range(4)])
    with torch.inference_mode():
        wanted = model(crops).numpy().mean(0)
    assert np.allclose(task.predict(model, data, lambda i, n: None)[0], wanted, atol=1e-5)

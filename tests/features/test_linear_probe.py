"""Linear classifiers: the same steps as in plain numpy, and no stage knows of another."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from photochrom.errors import DataError, DivergedError, SettingError
from photochrom.features.crops import Unreadable
from photochrom.features.labelled import find_labelled
from photochrom.features.linear_probe import EPS, ProbeSettings, measure_probes, train_probes
from photochrom.features.pooling import PooledTrunk
from photochrom.features.probe_features import Batch, FeatureSettings, StoredFeatures
from photochrom.features.trunk import untrained_trunk
from photochrom.training.recipe import Network

pytestmark = pytest.mark.usefixtures("one_thread")


class Given:
    """Features that are given: {stage: [n, C, side, side]}, the first `trained` to train on, in their order."""

    def __init__(self, features, labels, trained, batch):
        self.features, self.labels, self.trained, self.batch = features, labels, trained, batch
        self.shapes = {stage: tuple(x.shape[1:]) for stage, x in features.items()}
        self.steps = -(-trained // batch)

    def training(self, epoch):
        return self._batches(0, self.trained)

    def testing(self):
        return self._batches(self.trained, len(self.labels))

    def _batches(self, start, stop):
        for first in range(start, stop, self.batch):
            rows = np.arange(first, min(first + self.batch, stop))
            yield Batch({k: x[rows] for k, x in self.features.items()}, self.labels[rows], rows)


@pytest.fixture
def given():
    random = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 3, (120,), generator=random)
    signal = functional.one_hot(labels, 3).float()[:, :, None, None]
    features = {
        "a": torch.randn(120, 3, 2, 2, generator=random) * 2 + 2 + 5 * signal,
        "b": torch.randn(120, 6, 1, 1, generator=random),
    }
    return Given(features, labels, 90, 16)


def numpy_sgd(features, labels, settings, classes, batch):
    """The same training of one stage, by hand: (weights, bias, running mean, running variance)."""
    n = len(features)
    weights, bias = np.zeros((classes, features[0].size)), np.zeros(classes)
    speed_w, speed_b = np.zeros_like(weights), np.zeros_like(bias)
    means, variances = [], []
    steps = -(-n // batch)
    for epoch in range(settings.epochs):
        for step in range(steps):
            x, y = features[step * batch : (step + 1) * batch], labels[step * batch : (step + 1) * batch]
            mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3))
            means.append(mean)
            variances.append(variance * x[:, 0].size / (x[:, 0].size - 1))
            flat = ((x - mean[:, None, None]) / np.sqrt(variance + EPS)[:, None, None]).reshape(len(x), -1)
            scores = flat @ weights.T + bias
            p = np.exp(scores - scores.max(1, keepdims=True))
            p /= p.sum(1, keepdims=True)
            p[np.arange(len(x)), y] -= 1
            lr = settings.lr * (1 + np.cos(np.pi * (epoch + step / steps) / settings.epochs)) / 2
            speed_w = settings.momentum * speed_w + p.T @ flat / len(x) + settings.weight_decay * weights
            speed_b = settings.momentum * speed_b + p.mean(0) + settings.weight_decay * bias
            weights, bias = weights - lr * speed_w, bias - lr * speed_b
    return weights, bias, np.mean(means, 0), np.mean(variances, 0)


def test_training_is_stochastic_gradient_descent_on_the_cross_entropy(given):
    settings = ProbeSettings(epochs=3, lr=0.1, momentum=0.8, weight_decay=0.05)
    probes, _ = train_probes(given, 3, settings)
    for stage, features in given.features.items():
        found = probes.stages[stage]
        expected = numpy_sgd(features[:90].double().numpy(), given.labels[:90].numpy(), settings, 3, 16)
        tensors = (found.linear.weight, found.linear.bias, found.norm.running_mean, found.norm.running_var)
        for tensor, value in zip(tensors, expected, strict=True):
            assert np.allclose(tensor.detach().numpy(), value, rtol=1e-4, atol=1e-5)


def test_it_finds_what_is_linear_and_nothing_in_noise(given):
    probes, training = train_probes(given, 3, ProbeSettings(epochs=30, lr=0.05, weight_decay=0.01))
    rows, ranks = measure_probes(probes, given)
    assert rows.tolist() == list(range(90, 120)) and ranks.shape == (30, 2)
    assert (ranks[:, 0] == 0).mean() > 0.8 and (ranks[:, 1] == 0).mean() < 0.65
    assert training["a"] > 0.8


def test_all_stages_together_equal_each_alone(given):
    settings = ProbeSettings(epochs=4, lr=0.05)
    together, training = train_probes(given, 3, settings)
    for stage in given.shapes:
        alone, own_training = train_probes(given, 3, settings, stages=[stage])
        for key, value in alone.stages[stage].state_dict().items():
            assert torch.allclose(together.stages[stage].state_dict()[key], value, rtol=0, atol=1e-6), (stage, key)
        assert own_training[stage] == training[stage]


def test_what_one_stage_sees_changes_no_other(given):
    settings = ProbeSettings(epochs=3, lr=0.05)
    before = train_probes(given, 3, settings)[0].stages["a"].state_dict()
    given.features["b"] = given.features["b"].flip(0) * 100
    after = train_probes(given, 3, settings)[0].stages["a"].state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_together_equals_alone_on_a_real_trunk(class_folders):
    labelled = find_labelled(class_folders)
    trunk = PooledTrunk(untrained_trunk(Network(name="eccv16", width=0.0625), "gaussian"), 32)
    features = StoredFeatures(trunk, labelled, FeatureSettings(batch=16, workers=0), Unreadable(), "cpu")
    settings = ProbeSettings(epochs=3)
    together, _ = train_probes(features, 4, settings)
    for number, stage in enumerate(trunk.trunk.stages):
        alone, _ = train_probes(features, 4, settings, stages=[stage])
        weights = [probes.stages[stage].linear.weight for probes in (together, alone)]
        assert float((weights[0] - weights[1]).detach().abs().max()) <= 1e-6
        ranks = [measure_probes(probes, features)[1] for probes in (together, alone)]
        assert (ranks[0][:, number] == ranks[1][:, 0]).all()


def test_scale_and_shift_of_the_features_do_not_matter(given):
    settings = ProbeSettings(epochs=3, lr=0.05)
    first = measure_probes(train_probes(given, 3, settings)[0], given)[1]
    given.features["a"] = given.features["a"] * 1e-3 + 0.1
    assert (measure_probes(train_probes(given, 3, settings)[0], given)[1] == first).all()


def test_ranks_count_the_classes_that_score_no_less(given):
    probes, _ = train_probes(given, 3, ProbeSettings(epochs=2))
    with torch.no_grad():
        for stage, bias in (("a", [0.0, 2.0, 1.0]), ("b", [1.0, 1.0, 1.0])):
            probes.stages[stage].linear.weight.zero_()
            probes.stages[stage].linear.bias.copy_(torch.tensor(bias))
    ranks = measure_probes(probes, given)[1]
    by_class = {0: 2, 1: 0, 2: 1}
    assert ranks[:, 0].tolist() == [by_class[int(label)] for label in given.labels[90:]]
    assert (ranks[:, 1] == 2).all()  # all the same: that is no answer


def test_what_cannot_be_trained_is_said(given):
    for wrong in ({"epochs": 0}, {"lr": 0.0}, {"lr": float("nan")}):
        with pytest.raises(SettingError, match=f"{next(iter(wrong))} is"):
            ProbeSettings(**wrong)
    given.features["b"] = given.features["b"] * float("inf")
    with pytest.raises(DivergedError, match=r"classifier on b .* epoch 1"):
        train_probes(given, 3, ProbeSettings())
    with pytest.raises(DataError, match="train on"):
        train_probes(Given(given.features, given.labels, 0, 16), 3, ProbeSettings())
    given.trained = 120
    with pytest.raises(DataError, match="test on"):
        measure_probes(train_probes(given, 3, ProbeSettings(), stages=["a"])[0], given)

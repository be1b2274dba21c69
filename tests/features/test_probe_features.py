"""Features of labelled photographs: stored and live ones are the same, each photograph comes once an epoch."""

import shutil

import numpy as np
import pytest
import torch

from photochrom.data.photograph import centre_crop, decode
from photochrom.errors import DataError
from photochrom.features.crops import Unreadable
from photochrom.features.labelled import find_labelled
from photochrom.features.pooling import PooledTrunk
from photochrom.features.probe_features import (
    FeatureSettings,
    LiveFeatures,
    StoredFeatures,
    fits,
    stored_bytes,
)
from photochrom.features.trunk import untrained_trunk
from photochrom.training.recipe import Network

pytestmark = pytest.mark.usefixtures("one_thread")

SETTINGS = FeatureSettings(batch=16, workers=0)


def pooled():
    return PooledTrunk(untrained_trunk(Network(name="alexnet", width=0.0625), "gaussian"), 32, numbers=64)


@pytest.fixture(scope="module")
def labelled(class_folders):
    return find_labelled(class_folders)


def both(labelled, settings=SETTINGS):
    return [kind(pooled(), labelled, settings, Unreadable(), "cpu") for kind in (StoredFeatures, LiveFeatures)]


@pytest.mark.parametrize("mirror", [True, False])
def test_stored_features_are_the_live_ones_but_for_16_bits(labelled, mirror):
    stored, live = both(labelled, FeatureSettings(batch=16, mirror=mirror, workers=0))
    assert stored.shapes == live.shapes and stored.steps == live.steps == len(list(live.training(0)))
    for epoch in (0, 3):
        for one, other in zip(stored.training(epoch), live.training(epoch), strict=True):
            assert (one.rows == other.rows).all() and torch.equal(one.labels, other.labels)
            for stage, x in one.features.items():
                assert torch.allclose(x, other.features[stage], rtol=2e-3, atol=2e-3)
    for one, other in zip(stored.testing(), live.testing(), strict=True):
        assert (one.rows == other.rows).all()
        assert torch.allclose(one.features["conv5"], other.features["conv5"], rtol=2e-3, atol=2e-3)


def test_each_photograph_comes_once_an_epoch_in_another_order(labelled):
    stored, _ = both(labelled)
    orders = [np.concatenate([batch.rows for batch in stored.training(epoch)]) for epoch in (0, 1)]
    for rows in orders:
        assert sorted(rows) == np.flatnonzero(~labelled.is_test).tolist()
    assert (orders[0] != orders[1]).any()
    tested = np.concatenate([batch.rows for batch in stored.testing()])
    assert tested.tolist() == np.flatnonzero(labelled.is_test).tolist()


def test_features_are_of_the_photograph_or_its_mirror_image(labelled):
    live = both(labelled)[1]
    trunk = live._trunk  # calibrated
    flipped = 0
    for batch in live.training(0):
        for place, row in enumerate(batch.rows):
            entry = labelled.photos[int(row)]
            assert labelled.classes[int(batch.labels[place])] == entry.key.split("/")[0]
            rgb = torch.from_numpy(centre_crop(decode(entry), 32))[None]
            found = batch.features["conv4"][place]
            straight, mirrored = (trunk(x)["conv4"][0] for x in (rgb, rgb.flip(3)))
            distances = [float((found - x).abs().max()) for x in (straight, mirrored)]
            assert min(distances) < 1e-4
            flipped += distances[1] < distances[0]
    assert 0.25 < flipped / (~labelled.is_test).sum() < 0.75


def test_unreadable_photographs_are_left_out(class_folders, tmp_path):
    shutil.copytree(class_folders, tmp_path / "data")
    before = find_labelled(tmp_path / "data")
    bad = [
        before.photos[int(row)].key
        for row in (*np.flatnonzero(before.is_test)[:1], *np.flatnonzero(~before.is_test)[:2])
    ]
    for key in bad:
        (tmp_path / "data" / key).write_bytes(b"nothing")
    labelled = find_labelled(tmp_path / "data")
    for kind in (StoredFeatures, LiveFeatures):
        unreadable = Unreadable()
        features = kind(pooled(), labelled, SETTINGS, unreadable, "cpu")
        rows = np.concatenate([b.rows for b in (*features.training(0), *features.testing())])
        assert len(rows) == len(labelled.photos) - 3
        assert set(unreadable.photos) == set(bad)
        assert not {labelled.photos[int(row)].key for row in rows} & set(bad)


def test_nothing_readable_is_an_error(class_folders, tmp_path):
    shutil.copytree(class_folders, tmp_path / "data")
    for file in (tmp_path / "data").rglob("*.png"):
        file.write_bytes(b"nothing")
    for kind in (StoredFeatures, LiveFeatures):
        with pytest.raises(DataError, match=r"none of \d+ photographs to train on can be read"):
            kind(pooled(), find_labelled(tmp_path / "data"), SETTINGS, Unreadable(), "cpu")


def test_whether_they_fit(labelled):
    trunk = pooled()
    numbers = sum(c * s * s for c, s, _ in trunk.shapes.values())
    training, test = int((~labelled.is_test).sum()), int(labelled.is_test.sum())
    assert stored_bytes(trunk, labelled, SETTINGS) == 2 * numbers * (2 * training + test)
    assert stored_bytes(trunk, labelled, FeatureSettings(mirror=False)) == 2 * numbers * (training + test)
    assert fits(trunk, labelled, SETTINGS)
    assert not fits(trunk, labelled, FeatureSettings(store=1e-6))

"""Eight photographs can be learnt by heart: the whole path from file to colours is sound."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from photochrom.training.batches import find_photos
from photochrom.training.lab_torch import rgb_to_lab
from photochrom.training.losses import RebalancedCrossEntropy
from photochrom.training.recipe import load_recipe
from photochrom.training.run import train
from photochrom.training.task import ColorizationTask

SETTINGS = [
    "network.name=eccv16", "network.width=0.25", "network.initialisation=kmeans", "loss.lam=1.0",
    "loss.prior_photographs=8", "data.size=32", "data.least_area=1.0", "data.mirror=false", "data.workers=0",
    "optimizer.lr=2e-3", "optimizer.weight_decay=0.0", "schedule.warmup=20", "training.batch=8", "training.ema=0.0",
    "training.visits=3200", "training.validate_every=10000", "training.threads=1",
]  # fmt: skip


@pytest.fixture
def eight(photo_folder, tmp_path):
    """Squares, so that a crop of all of it is the photograph; none of them in the share that is held out."""
    folder = tmp_path / "eight"
    folder.mkdir()
    for source in sorted(photo_folder.rglob("*.png")):
        path = folder / source.name
        Image.open(source).crop((0, 0, 64, 64)).save(path)
        if next(entry for entry in find_photos(folder) if entry.key == path.name).held_out:
            path.unlink()
        if len(list(folder.iterdir())) == 8:
            return folder
    raise AssertionError("too few photographs")


def test_eight_photographs_are_learnt_by_heart(eight, tmp_path):
    run = tmp_path / "run"
    recipe = load_recipe("full", SETTINGS)
    pictures = [Image.open(path).resize((32, 32), Image.Resampling.BILINEAR) for path in sorted(eight.iterdir())]
    rgb = torch.stack([torch.from_numpy(np.array(p)).permute(2, 0, 1) for p in pictures])
    assert train(recipe, eight, run) == 0
    content = torch.load(run / "last.ckpt", weights_only=True)
    task = ColorizationTask(recipe, np.array(content["photochrom"]["prior"]))
    lab = rgb_to_lab(rgb)
    ab = functional.avg_pool2d(lab[:, 1:], 4)
    plain = RebalancedCrossEntropy(task.prior, 1.0)

    def excess(logits):
        """Cross-entropy above the targets' own entropy."""
        soft = plain.targets(ab)[1]
        return float(plain(logits, ab) + (soft * soft.log()).sum(1).mean())

    task.eval()
    with torch.no_grad():
        before = excess(task(lab[:, :1]))
        task.load_state_dict(content["state_dict"])
        task.train()  # BatchNorm by the batch, as it was learnt
        logits = task(lab[:, :1])
        after = excess(logits)
        error = (task.head.decode(logits, lab[:, :1], 1.0) - ab).norm(dim=1).mean()
    assert after < 0.05 * before
    assert error <= 3

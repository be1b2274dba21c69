"""Learning from other networks: what they agree on, and that a student comes nearer to it."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from skimage.color import rgb2lab
from skimage.transform import resize

from photochrom.errors import RecipeError
from photochrom.models import open_session
from photochrom.nets.lite import Lite
from photochrom.training.decoded import Decoded
from photochrom.training.distillation import EVERY, Teachers
from photochrom.training.export import Card, write_model
from photochrom.training.lab_torch import rgb_to_lab
from photochrom.training.recipe import load_recipe
from photochrom.training.run import train
from photochrom.training.task import ColorizationTask

SMALL = ["network.pretrained=false", "training.threads=1"]


@pytest.fixture(scope="module")
def coarse_teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network at stride 8 that has learnt nothing."""
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("teacher") / "coarse.onnx"
    write_model(Decoded(Lite(stride=8).eval()).eval(), file, Card("coarse", "1", 64))
    return file


@pytest.fixture(scope="module")
def crops() -> torch.Tensor:
    """uint8 [2, 3, 64, 64] of a cat and a cup."""
    windows = [skimage.data.chelsea()[40:296:4, 100:356:4], skimage.data.coffee()[100:356:4, 200:456:4]]
    return torch.from_numpy(np.stack(windows)).permute(0, 3, 1, 2).contiguous()


@pytest.fixture(scope="module")
def lightness(crops: torch.Tensor) -> torch.Tensor:
    return rgb_to_lab(crops)[:, :1]


def test_teachers_agree_on_their_geometric_mean(
    crops: torch.Tensor, lightness: torch.Tensor, coarse_teacher: Path
) -> None:
    found = Teachers(f"lite, {coarse_teacher}", threads=1).probabilities(lightness, 16)
    one = np.ones(1, np.float32)
    seen = np.stack([rgb2lab(crop)[None, ..., 0] for crop in crops.permute(0, 2, 3, 1).numpy()]).astype(np.float32)
    # The one at stride 8 sees twice the size, so that its cells are those of the one at stride 4.
    twice = np.stack([resize(photo, (1, 128, 128), order=1, mode="edge") for photo in seen]).astype(np.float32)
    answers = [
        open_session(name, 1, "probabilities")[0].run(["probabilities"], {"lightness": shown, "temperature": one})[0]
        for name, shown in (("lite", seen), (str(coarse_teacher), twice))
    ]
    expected = np.sqrt(answers[0].astype(np.float64) * answers[1])
    expected /= expected.sum(1, keepdims=True)
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-3)


def test_the_loss_is_the_cross_entropy_of_a_quarter_of_the_cells(lightness: torch.Tensor) -> None:
    teachers = Teachers("lite", threads=1)
    wanted = teachers.probabilities(lightness, 16).double()
    output = torch.randn(2, 313, 16, 16, generator=torch.Generator().manual_seed(0))
    every = -(wanted * output.double().log_softmax(1)).sum(1)
    quarters = [float(teachers.loss(output, lightness, turn)) for turn in range(EVERY**2)]
    assert np.mean(quarters) == pytest.approx(float(every.mean()), rel=1e-5)
    assert quarters[1] == pytest.approx(float(every[:, ::2, 1::2].mean()), rel=1e-5)
    assert float(teachers.loss(output, lightness, EVERY**2)) == quarters[0]
    # Nothing is better than to say what they say.
    assert float(teachers.loss(wanted.log().float(), lightness)) < min(quarters)


@pytest.mark.usefixtures("one_thread")
def test_a_student_comes_nearer_to_its_teachers(lightness: torch.Tensor) -> None:
    torch.manual_seed(0)
    task = ColorizationTask(load_recipe("small/lite", [*SMALL, "loss.teachers=lite"]), np.ones(313)).train()
    assert task.teachers is not None
    optimizer = torch.optim.Adam(task.network.parameters(), 3e-3)
    losses = []
    for turn in range(24):
        loss = task.teachers.loss(task(lightness), lightness, turn)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-4:]) < losses[0] - 1


def test_a_run_with_teachers_keeps_none_of_them(photo_folder: Path, tmp_path: Path) -> None:
    settings = ["loss.teachers=lite", "training.visits=16", "training.batch=8", "data.workers=0",
                "training.validate_every=2", "loss.prior_photographs=20"]  # fmt: skip
    assert train(load_recipe("small/lite", [*SMALL, *settings]), photo_folder, tmp_path / "run") == 0
    checkpoint = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)
    assert checkpoint["photochrom"]["recipe"]["loss"]["teachers"] == "lite"
    assert not any("teacher" in key for key in checkpoint["state_dict"])


def test_teachers_see_the_photograph_as_it_is(
    crops: torch.Tensor, lightness: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = ColorizationTask(load_recipe("small/lite", [*SMALL, "loss.teachers=lite", "data.aged=1.0"]), np.ones(313))
    shown: list[torch.Tensor] = []
    monkeypatch.setattr(ColorizationTask, "log", lambda *_: None)
    monkeypatch.setattr(ColorizationTask, "_mean_loss", lambda *_: torch.zeros(()))
    monkeypatch.setattr(Teachers, "loss", lambda _self, _output, seen, _turn: shown.append(seen) or torch.zeros(()))
    task.training_step((crops, torch.arange(2)), 0)
    assert torch.equal(shown[0], lightness)


def test_how_much_is_taught_is_a_share(crops: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ColorizationTask, "log", lambda *_: None)
    monkeypatch.setattr(ColorizationTask, "_mean_loss", lambda *_: torch.tensor(8.0))
    monkeypatch.setattr(Teachers, "loss", lambda *_: torch.tensor(4.0))
    for share, expected in ((1.0, 4.0), (0.25, 7.0), (0.0, 8.0)):
        recipe = load_recipe("small/lite", [*SMALL, "loss.teachers=lite", f"loss.teaching={share}"])
        loss = ColorizationTask(recipe, np.ones(313)).training_step((crops, torch.arange(2)), 0)
        assert float(loss) == pytest.approx(expected)


def test_the_averaged_copy_shares_its_teachers() -> None:
    teachers = Teachers("lite", threads=1)
    assert copy.deepcopy(teachers) is teachers


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("loss.teachers=absent.onnx", "loss.teachers: absent.onnx"),
        ("loss.teachers=','", "loss.teachers is ','; expected model files"),
        ("loss.teaching=1.5", "loss.teaching is 1.5; expected a share, 0 to 1"),
    ],
)
def test_bad_settings_say_what_is_wrong(setting: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        ColorizationTask(load_recipe("small/lite", [*SMALL, setting]), np.ones(313))


def test_other_networks_cannot_be_taught_colours_of_bins(lightness: torch.Tensor) -> None:
    with pytest.raises(RecipeError, match="313 bins"):
        Teachers("lite", threads=1).loss(torch.zeros(2, 2, 16, 16), lightness)

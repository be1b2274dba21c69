"""The exported graph keeps the contract and computes what PyTorch computes."""

import json

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from skimage import color, data

from photochrom import ab_bins
from photochrom.errors import DataError, OutputError, RecipeError, SettingError
from photochrom.models import read_info
from photochrom.nets.eccv16 import ECCV16
from photochrom.nets.lite import Lite
from photochrom.training.decoded import Decoded, Softened, rebalancing_bias
from photochrom.training.export import (
    LARGE,
    Card,
    export,
    export_weights,
    load_checkpoint,
    scores_of,
    to_onnx,
    with_halved_weights,
)
from photochrom.training.networks import load_start
from photochrom.training.recipe import Network, load_recipe
from photochrom.training.run import train


@pytest.fixture(scope="module")
def lightness():
    return color.rgb2lab(data.astronaut()[::4, ::4])[None, None, ..., 0].astype(np.float32)  # [1, 1, 128, 128]


@pytest.fixture(scope="module")
def run(photo_tars, tmp_path_factory):
    settings = ["training.visits=4", "training.batch=2", "data.size=32", "data.workers=0", "loss.prior_photographs=8"]
    folder = tmp_path_factory.mktemp("run")
    train(load_recipe("lite", settings), photo_tars, folder)
    return folder


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    target = tmp_path_factory.mktemp("model") / "mine.onnx"
    export(run, target, Card("mine", "3", 160, training_data="cut-outs", licence="CC0", scores='{"gain": 1}'))
    return target


def run_graph(session, lightness, temperature):
    return session.run(["ab", "probabilities"], {"lightness": lightness, "temperature": np.float32([temperature])})


@pytest.mark.parametrize("temperature", [0.1, 0.38, 1.0])
def test_onnx_equals_pytorch(lightness, temperature):
    decoded = Decoded(Lite().eval()).eval()
    session = onnxruntime.InferenceSession(to_onnx(decoded).SerializeToString())
    ab, probabilities = run_graph(session, lightness, temperature)
    with torch.inference_mode():
        expected = decoded(torch.from_numpy(lightness), torch.tensor([temperature]))
    assert np.abs(ab - expected[0].numpy()).max() < 0.05
    assert np.abs(probabilities - expected[1].numpy()).max() < 1e-5


def test_the_file_agrees_with_the_checkpoint_and_with_ab_bins(run, exported, lightness):
    """Half-precision weights included; the decode in the graph is ab_bins.annealed_mean."""
    ab, probabilities = run_graph(onnxruntime.InferenceSession(exported), lightness, 0.38)
    network = load_checkpoint(run)[0]
    with torch.inference_mode():
        expected = Decoded(network)(torch.from_numpy(lightness), torch.tensor([0.38]))
    assert np.abs(ab - expected[0].numpy()).max() < 0.05
    assert np.abs(probabilities - expected[1].numpy()).max() < 1e-2
    assert np.abs(ab_bins.annealed_mean(np.moveaxis(probabilities, 1, -1)) - np.moveaxis(ab, 1, -1)).max() < 0.05


def test_the_card_is_in_the_file(exported):
    info = read_info(exported)
    assert (info.name, info.version, info.native_size, info.stride) == ("mine", "3", 160, 4)
    assert (info.training_data, info.licence, info.scores) == ("cut-outs", "CC0", {"gain": 1})


def test_halving_the_large_weights_halves_the_file():
    whole = to_onnx(Decoded(Lite().eval()).eval())
    halved = with_halved_weights(whole)
    assert halved.ByteSize() < 0.56 * whole.ByteSize()
    small = {t.name: numpy_helper.to_array(t) for t in whole.graph.initializer if np.prod(t.dims) < LARGE}
    kept = {t.name: numpy_helper.to_array(t) for t in halved.graph.initializer}
    assert small and all((kept[name] == values).all() for name, values in small.items())


def test_rebalancing_undone_gives_the_prior_back():
    """A network trained with weights w tends to w p, normalised: undoing w must give p."""
    prior = np.random.default_rng(0).dirichlet(np.ones(313))
    weights = ab_bins.class_weights(prior, 0.5)
    logits = np.log(weights * prior) + rebalancing_bias(prior, 0.5, 0.0)
    found = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(found, prior, rtol=1e-9)
    assert not rebalancing_bias(prior, 0.5, 1.0).any()


def test_rebalance_outside_its_range_is_refused():
    with pytest.raises(SettingError, match="rebalance is -1"):
        rebalancing_bias(np.ones(313), 0.5, -1)


def test_an_existing_model_is_not_overwritten(run, exported):
    before = exported.read_bytes()
    with pytest.raises(OutputError, match="mine"):
        export(run, exported, Card("mine", "4", 160))
    assert exported.read_bytes() == before


def test_foreign_files_are_refused(tmp_path):
    with pytest.raises(DataError, match="not there"):
        load_checkpoint(tmp_path)
    text = tmp_path / "a.ckpt"
    text.write_text("hello")
    with pytest.raises(DataError, match=r"a\.ckpt"):
        load_checkpoint(text)
    torch.save({"state_dict": {}}, text)
    with pytest.raises(DataError, match="not a checkpoint of"):
        load_checkpoint(text)


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return print, ("ran",)

    torch.save({"photochrom": Evil()}, tmp_path / "evil.ckpt")
    with pytest.raises(DataError, match="safely"):
        load_checkpoint(tmp_path / "evil.ckpt")


def test_another_run_can_start_from_the_weights(run, tmp_path):
    export_weights(run, tmp_path / "w.safetensors")
    network = Lite()
    load_start(network, Network(weights=str(tmp_path / "w.safetensors")), batch=lambda: None)
    expected = load_checkpoint(run)[0].state_dict()
    for key, value in network.state_dict().items():
        torch.testing.assert_close(value, expected[key], rtol=1e-3, atol=1e-6)


def test_weights_of_another_network_are_refused(run, tmp_path):
    export_weights(run, tmp_path / "w.safetensors")
    for file in (tmp_path / "w.safetensors", tmp_path / "missing.safetensors"):
        with pytest.raises(RecipeError, match="not weights of eccv16"):
            load_start(ECCV16(0.1), Network(name="eccv16", weights=str(file)), batch=lambda: None)


def test_scores_are_taken_from_a_report(tmp_path):
    figure = {"value": 5.77, "low": 3.72, "high": 8.32}
    lite = {"gain_at_1": figure, "photographs": 385}
    report = {"data": "val", "half": "odd", "photographs": 385, "systems": {"lite": {"colour": lite, "semantic": None}}}
    (tmp_path / "report.json").write_text(json.dumps(report))
    scores = json.loads(scores_of(tmp_path / "report.json", "lite"))
    assert scores == {"photographs": "385 of val, odd half", "gain_at_1": "5.8 [3.7, 8.3]"}
    for file, name in (("report.json", "other"), ("missing.json", "lite")):
        with pytest.raises(DataError, match=file):
            scores_of(tmp_path / file, name)


def test_a_softened_network_sees_no_finer_detail():
    shown = torch.nn.Identity()
    shown.stride = 8
    soft = Softened(shown, 2)
    coarse = torch.rand(1, 1, 32, 48) * 90 + 5
    fine = coarse.repeat_interleave(2, 2).repeat_interleave(2, 3)
    checks = torch.tensor([[5.0, -5.0], [-5.0, 5.0]]).repeat(32, 48)
    torch.testing.assert_close(soft(fine + checks), soft(fine))
    rows = np.clip((np.arange(64) + 0.5) / 2 - 0.5, 0, 31)
    at = np.interp(rows, np.arange(32), coarse[0, 0, :, 0])  # the first column, where there is nothing beside
    np.testing.assert_allclose(soft(fine)[0, 0, :, 0], at, atol=1e-3)
    assert soft.stride == 8


def test_export_softens_or_says_how(run, tmp_path):
    export(run, tmp_path / "soft.onnx", Card("soft", "1", 64, least_range=80), soften=2)
    info = read_info(tmp_path / "soft.onnx")
    assert info.least_range == 80
    with pytest.raises(SettingError, match="soften is 3; expected one of: 1, 2, 4"):
        export(run, tmp_path / "other.onnx", Card("other", "1", 64), soften=3)
    assert not (tmp_path / "other.onnx").exists()

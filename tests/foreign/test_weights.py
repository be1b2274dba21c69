"""Foreign weights become models: the ONNX computes what the network with these weights does, or nothing is written."""

import hashlib
import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from skimage import color, data

from photochrom import ab_bins
from photochrom.errors import DataError, ModelError, OutputError
from photochrom.foreign import weights as foreign
from photochrom.foreign.fetch import PUBLISHED, Published
from photochrom.foreign.temperature import FOLDED
from photochrom.foreign.weights import import_model, read_network
from photochrom.models import read_info
from photochrom.nets.eccv16 import ECCV16
from photochrom.nets.siggraph17 import SIGGRAPH17

NETWORKS = {"eccv16": ECCV16, "siggraph17": SIGGRAPH17}
BINS = torch.tensor(ab_bins.CENTRES, dtype=torch.float32).T[:, :, None, None]  # [2, 313, 1, 1]
SMALL = 1 / 16


def random_state(kind: str, width: float = SMALL, seed: int = 0) -> dict[str, torch.Tensor]:
    """A state dict with all published keys: random numbers that keep activations near 1."""
    with torch.device("meta"):
        empty = NETWORKS[kind](width).state_dict()
    random = torch.Generator().manual_seed(seed)
    state = {}
    for key, value in empty.items():
        noise = torch.randn(value.shape, generator=random)
        if value.dtype == torch.int64:
            state[key] = torch.tensor(7)
        elif value.ndim == 4:
            state[key] = noise * (2 / value[0].numel()) ** 0.5
        elif key.endswith("running_var"):
            state[key] = 0.5 + noise.abs()
        else:
            state[key] = 0.1 * noise + (1.0 if key.endswith("weight") else 0.0)
    if kind == "eccv16":
        state["model_out.weight"] = (BINS / 110).contiguous()
    return state


def expected_ab(kind: str, state: dict[str, torch.Tensor], lightness: np.ndarray, temperature: float) -> np.ndarray:
    """What the authors' code computes: for eccv16 the fixed last layer on the softmax, times 110."""
    state = dict(state)
    colours = state.pop("model_out.weight", None)
    network = NETWORKS[kind](len(state["model7.0.bias"]) / 512).eval()
    network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})
    with torch.inference_mode():
        output = network(torch.from_numpy(lightness))
        if kind == "eccv16":
            output = 110 * torch.nn.functional.conv2d(torch.softmax(output / temperature, 1), colours.float())
    return output.numpy()


def run(path, lightness: np.ndarray, temperature: float = 0.38, output: str = "ab") -> np.ndarray:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run([output], {"lightness": lightness, "temperature": np.float32([temperature])})[0]


def training_of(path) -> dict:
    metadata = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    return json.loads(metadata["training"])


@pytest.fixture(scope="module")
def lightness() -> np.ndarray:
    """A portrait, [1, 1, 64, 96]."""
    return color.rgb2lab(data.astronaut()[:256:4, :384:4])[None, None, ..., 0].astype(np.float32)


@pytest.fixture(autouse=True)
def without_samples(monkeypatch):
    """Random weights say nothing about photographs: those that measure bring their own."""
    monkeypatch.setattr(foreign, "sample_photographs", list)


@pytest.mark.parametrize("kind", NETWORKS)
def test_random_numbers_under_the_published_keys(kind, lightness, tmp_path):
    """At a sixteenth of the width; benchmarks/import_published.py does it at full size."""
    state = random_state(kind)
    torch.save(state, tmp_path / "w.pth")
    done = import_model(tmp_path / "w.pth", tmp_path / "mine.onnx")
    found, expected = run(done.model, lightness), expected_ab(kind, state, lightness, 0.38)
    assert expected.std() > 5
    assert found.shape == (1, 2, 16, 24) if kind == "eccv16" else (1, 2, 64, 96)
    assert np.abs(found - expected).max() < 1e-3
    info = read_info(done.model)
    assert (info.name, info.native_size, info.has_probabilities) == ("mine", 256, kind == "eccv16")
    assert (done.kind, done.weights) == (kind, tmp_path / "mine.safetensors")
    kept = load_file(tmp_path / "mine.safetensors")
    assert kept.keys() == state.keys() - {"model_out.weight"}
    assert all(torch.equal(kept[key], state[key]) for key in kept)


def test_probabilities_are_those_of_the_network(lightness, tmp_path):
    state = random_state("eccv16")
    torch.save(state, tmp_path / "w.pth")
    import_model(tmp_path / "w.pth", tmp_path / "mine.onnx")
    probabilities = run(tmp_path / "mine.onnx", lightness, output="probabilities")
    found = ab_bins.annealed_mean(np.moveaxis(probabilities, 1, -1), 0.7)
    assert np.abs(np.moveaxis(found, -1, 1) - expected_ab("eccv16", state, lightness, 0.7)).max() < 1e-2


@pytest.mark.parametrize("kind", NETWORKS)
def test_files_of_old_pytorch_and_of_half_precision(kind, lightness, tmp_path):
    state = random_state(kind)
    torch.save({k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}, tmp_path / "old.pth")
    assert np.abs(_imported(tmp_path / "old.pth", lightness) - expected_ab(kind, state, lightness, 0.38)).max() < 1e-3
    half = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    save_file(half, tmp_path / "half.safetensors")
    exact = (
        {"model_out.weight": state["model_out.weight"]} if kind == "eccv16" else {}
    )  # rounded, yet known as the bins
    expected = expected_ab(kind, half | exact, lightness, 0.38)
    assert np.abs(_imported(tmp_path / "half.safetensors", lightness) - expected).max() < 1e-3
    own = {k: v for k, v in state.items() if k != "model_out.weight"}  # as `photochrom export` writes them
    save_file(own, tmp_path / "own.safetensors")
    assert read_network(tmp_path / "own.safetensors").kind == kind


def _imported(path, lightness):
    return run(import_model(path, path.with_suffix(".onnx")).model, lightness)


def test_the_fixed_layer_in_units_of_ab(lightness, tmp_path):
    state = random_state("eccv16")
    torch.save(state | {"model_out.weight": BINS}, tmp_path / "w.pth")
    done = import_model(tmp_path / "w.pth", tmp_path / "mine.onnx")
    assert not any("model_out" in note for note in done.notes)
    assert np.abs(run(done.model, lightness) - expected_ab("eccv16", state, lightness, 0.38)).max() < 1e-3


def test_other_colours_than_the_bins_are_kept_and_told(lightness, tmp_path):
    state = random_state("eccv16")
    state["model_out.weight"] = torch.randn(2, 313, 1, 1, generator=torch.Generator().manual_seed(3)) / 4
    torch.save(state, tmp_path / "w.pth")
    done = import_model(tmp_path / "w.pth", tmp_path / "mine.onnx")
    assert np.abs(run(done.model, lightness) - expected_ab("eccv16", state, lightness, 0.38)).max() < 1e-3
    assert not read_info(done.model).has_probabilities
    assert "model_out.weight is not the 313 bins" in done.notes[0]
    assert training_of(done.model)["notes"] == list(done.notes)


@pytest.fixture
def coffee(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    for name in ("coffee", "chelsea"):
        Image.fromarray(getattr(data, name)()).save(folder / f"{name}.png")
    return folder


@pytest.mark.parametrize(("folded", "decision"), [(1.0, "not folded"), (FOLDED, "folded"), (1 / FOLDED, "folded")])
def test_a_folded_temperature_is_taken_out(folded, decision, lightness, coffee, tmp_path):
    """A network that gives every pixel the photographs' mean colours: its plain cross-entropy is least at T = 1."""
    state = random_state("eccv16")
    ab = np.concatenate(
        [color.rgb2lab(np.asarray(Image.open(p)))[::9, ::9, 1:].reshape(-1, 2) for p in coffee.iterdir()]
    )
    logits = np.log(ab_bins.prior(ab) + 1e-9)
    state["model8.6.weight"] *= 0
    state["model8.6.bias"] = torch.from_numpy(folded * logits).float()
    torch.save(state, tmp_path / "w.pth")
    done = import_model(tmp_path / "w.pth", tmp_path / "mine.onnx", photographs=coffee)
    assert done.temperature.decision == decision
    assert done.temperature.plain.temperature == pytest.approx(folded, rel=0.1)
    probabilities = run(done.model, lightness, output="probabilities")[0, :, 3, 3]
    np.testing.assert_allclose(probabilities, ab_bins.prior(ab), atol=1e-4)
    np.testing.assert_allclose(load_file(done.weights)["model8.6.bias"], logits, rtol=1e-5)
    info = read_info(done.model)
    # By default the model has the colours that the file's own code gives, or else the paper's temperature.
    assert info.temperature == pytest.approx(1 / FOLDED if folded > 1 else 0.38, abs=1e-4)
    if folded > 1:
        own = expected_ab("eccv16", state, lightness, 1.0)
        assert np.abs(run(done.model, lightness, info.temperature) - own).max() < 0.05
    assert str(done.temperature) == info.scores["temperature"]
    assert training_of(done.model)["temperature"] == done.temperature.to_dict()


def test_a_temperature_that_could_not_be_measured_is_told(coffee, tmp_path):
    torch.save(random_state("eccv16"), tmp_path / "w.pth")
    done = import_model(tmp_path / "w.pth", tmp_path / "mine.onnx")
    assert done.temperature is None and "was not measured: give colour photographs" in done.notes[0]
    (tmp_path / "grey").mkdir()
    Image.fromarray(data.camera()).save(tmp_path / "grey" / "camera.png")
    with pytest.raises(DataError, match="no colour photograph"):
        import_model(tmp_path / "w.pth", tmp_path / "b.onnx", photographs=tmp_path / "grey")
    assert not list(tmp_path.glob("b.*"))


def test_published_files_are_known_by_their_hash(monkeypatch, tmp_path):
    torch.save(random_state("siggraph17"), tmp_path / "renamed.pth")
    digest = hashlib.sha256((tmp_path / "renamed.pth").read_bytes()).hexdigest()
    known = Published(f"weights-{digest[:8]}.pth", "siggraph17", "ImageNet", "BSD")
    monkeypatch.setitem(PUBLISHED, "siggraph17", known)
    done = import_model(tmp_path / "renamed.pth", tmp_path / "mine.onnx")
    info = read_info(done.model)
    assert (info.training_data, info.licence, done.sha256) == ("ImageNet", "BSD", digest)


def changed(kind="eccv16", **changes):
    """A small state dict with some entries replaced, or removed where None; __ in a name is a dot."""
    state = random_state(kind)
    for name, value in changes.items():
        state[name.replace("__", ".")] = value
    return {key: value for key, value in state.items() if value is not None}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"conv1.weight": torch.ones(2), "fc.bias": torch.ones(3)}, "has the entries conv1.weight, fc.bias; expected"),
        ({}, "has the entries none; expected those of eccv16"),
        (changed(model8__6__bias=None), "lacks model8.6.bias; expected the .* entries of eccv16"),
        (changed(extra=torch.ones(1)), "has extra besides"),
        (changed("siggraph17", model_class__0__weight=None, x=torch.ones(1)), "lacks model_class.0.weight and has x"),
        ({k: v for k, v in random_state("eccv16").items() if "8" in k}, "lacks model1.0.weight, .* and .* more"),
        (changed(model8__6__bias=torch.ones(300)), r"model8.6.bias has the shape \[300\]; expected \[313\]"),
        (changed(model1__0__weight=torch.ones(4, 3, 3, 3)), r"the shape \[4, 3, 3, 3\]; expected \[4, 1, 3, 3\]"),
        (changed(model_out__weight=torch.ones(2, 312, 1, 1)), "model_out.weight has the shape"),
        (changed(model7__0__bias=torch.ones(5000)), "model7.0.bias has 5000 channels; expected 8..1024"),
        (changed(model7__0__bias=torch.ones(4)), "model7.0.bias has 4 channels; expected 8..1024"),
        (changed(model8__6__bias=torch.ones(313, dtype=torch.int32)), "model8.6.bias is torch.int32; expected"),
        (changed(model1__4__num_batches_tracked=torch.tensor(1.0)), "num_batches_tracked is torch.float32; expected"),
        (changed(model8__6__bias=torch.full((313,), torch.nan)), "model8.6.bias has values that are no finite numbers"),
        (changed(model1__4__running_var=-torch.ones(4)), "model1.4.running_var has values below 0"),
        (changed(model8__6__weight=torch.full((313, 16, 1, 1), 3e38)), "gives no finite colours"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_written(state, message, tmp_path):
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(ModelError, match=message) as caught:
        import_model(tmp_path / "w.pth", tmp_path / "mine.onnx")
    assert str(tmp_path / "w.pth") in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["w.pth"]


def test_a_view_of_one_number_is_not_made_large(tmp_path):
    """A few bytes may claim any shape; shapes are compared before anything is copied."""
    huge = torch.ones(1).expand(10**6, 10**6)
    torch.save(changed(model8__6__bias=huge), tmp_path / "w.pth")
    with pytest.raises(ModelError, match=r"model8.6.bias has the shape \[1000000, 1000000\]"):
        read_network(tmp_path / "w.pth")


@pytest.mark.parametrize("existing", ["mine.onnx", "mine.safetensors"])
def test_existing_files_stay(existing, tmp_path):
    torch.save(random_state("siggraph17"), tmp_path / "w.pth")
    (tmp_path / existing).write_text("mine")
    with pytest.raises(OutputError, match=existing):
        import_model(tmp_path / "w.pth", tmp_path / "mine.onnx")
    assert (tmp_path / existing).read_text() == "mine"
    import_model(tmp_path / "w.pth", tmp_path / "mine.onnx", overwrite=True)
    assert read_info(tmp_path / "mine.onnx").stride == 1 and load_file(tmp_path / "mine.safetensors")


def test_the_imported_file_itself_is_never_written_over(lightness, tmp_path):
    save_file(random_state("siggraph17"), tmp_path / "w.safetensors")
    before = (tmp_path / "w.safetensors").read_bytes()
    done = import_model(tmp_path / "w.safetensors", tmp_path / "w.onnx", overwrite=True)
    assert done.weights is None and (tmp_path / "w.safetensors").read_bytes() == before
    assert read_info(done.model).name == "w"
    torch.save(random_state("siggraph17"), tmp_path / "odd.onnx")
    with pytest.raises(ModelError, match="is the file to be imported"):
        import_model(tmp_path / "odd.onnx", tmp_path / "odd.onnx", overwrite=True)


def test_when_the_model_cannot_be_written_neither_are_the_weights(monkeypatch, tmp_path):
    torch.save(random_state("siggraph17"), tmp_path / "w.pth")

    def full(*args, **kwargs):
        raise OutputError("mine.onnx", "no space left on the disk", "free some")

    monkeypatch.setattr(foreign, "write_model", full)
    with pytest.raises(OutputError, match="no space left"):
        import_model(tmp_path / "w.pth", tmp_path / "mine.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["w.pth"]


def test_the_name_must_be_that_of_a_model(tmp_path):
    torch.save(random_state("siggraph17"), tmp_path / "w.pth")
    for name in ("mine", "mine.pth"):
        with pytest.raises(ModelError, match=r"expected a name that ends in \.onnx"):
            import_model(tmp_path / "w.pth", tmp_path / name)

"""Files of weights that someone else made: read without running anything, refused with a reason."""

import io
import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from photochrom import tensor_file as foreign_file
from photochrom.errors import ModelError
from photochrom.tensor_file import LIMIT, read_tensors

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.tensor([1, 2])}


class Code:
    """An object whose unpickling makes a file: what a pickle with a programme in it can do."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def save_legacy(state, path):
    torch.save(state, path, _use_new_zipfile_serialization=False)


@pytest.mark.parametrize("save", [torch.save, save_legacy, save_file])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_formats_are_known_by_content(save, suffix, tmp_path):
    save(STATE, tmp_path / f"w.{suffix}")
    found = read_tensors(tmp_path / f"w.{suffix}")
    assert found.keys() == STATE.keys()
    for key, value in STATE.items():
        assert torch.equal(found[key], value) and found[key].dtype == value.dtype


@pytest.mark.parametrize("save", [torch.save, save_legacy, lambda state, path: path.write_bytes(pickle.dumps(state))])
def test_code_is_not_run(save, tmp_path):
    save({**STATE, "x": Code(tmp_path / "made")}, tmp_path / "w.pth")
    with pytest.raises(ModelError, match=r"w\.pth: ") as caught:
        read_tensors(tmp_path / "w.pth")
    assert not (tmp_path / "made").exists()
    assert "weights_only" not in str(caught.value)  # PyTorch's advice to switch the safeguard off


def test_the_code_is_named(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pth")
    with pytest.raises(ModelError, match=r"would run torch\.nn\.modules\.linear\.Linear, which was refused"):
        read_tensors(tmp_path / "module.pth")


@pytest.mark.parametrize("save", [torch.save, save_legacy, save_file])
@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_file_cut_short(save, kept, tmp_path):
    path = tmp_path / "w.pth"
    save({"a": torch.ones(3000)}, path)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(ModelError, match=r"w\.pth: damaged"):
        read_tensors(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"hello, this is a text", "damaged, or no file of weights"),
        (b"\x08\x00\x00\x00\x00\x00\x00\x00{", "damaged, or no safetensors file"),
        (b"PK\x03\x04 and no more", "damaged"),
    ],
)
def test_no_file_of_weights(content, message, tmp_path):
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(ModelError, match=rf"w\.pth: {message}"):
        read_tensors(tmp_path / "w.pth")


def test_what_is_no_file(tmp_path):
    with pytest.raises(ModelError, match="no such file"):
        read_tensors(tmp_path / "w.pth")
    with pytest.raises(ModelError, match="is a folder"):
        read_tensors(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelError, match="no regular file"):
        read_tensors(tmp_path / "pipe")


def test_a_file_too_large_is_not_read(tmp_path):
    path = tmp_path / "w.pth"
    path.touch()
    os.truncate(path, LIMIT + 1)  # takes no room on the disk
    with pytest.raises(ModelError, match=r"has 1000 MB; expected at most 1000 MB"):
        read_tensors(path)


def test_a_small_file_that_unpacks_to_a_large_one(tmp_path, monkeypatch):
    monkeypatch.setattr(foreign_file, "LIMIT", 100_000)
    stored = io.BytesIO()
    torch.save({"a": torch.zeros(100_000)}, stored)
    path = tmp_path / "w.pth"
    with zipfile.ZipFile(stored) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in source.namelist():
            packed.writestr(name, source.read(name))
    assert path.stat().st_size < 10_000
    with pytest.raises(ModelError, match="unpacks to 0 MB; expected at most 0 MB"):
        read_tensors(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([torch.ones(2)], "holds a list; expected a state dict"),
        ({"a": 1.5}, "a is a float, not a tensor"),
        ({"state_dict": {"a": torch.ones(2)}}, "state_dict is a dict, not a tensor"),
        ({3: torch.ones(2)}, "has an entry named 3"),
        ({"a": torch.eye(3).to_sparse()}, "a is a torch.sparse_coo tensor on cpu; expected dense numbers"),
        ({"a": torch.ones(3, device="meta")}, "a is a torch.strided tensor on meta"),
        ({"photochrom": {}, "state_dict": {}}, "is a checkpoint of `photochrom train`.*use photochrom export"),
    ],
)
def test_other_contents(content, message, tmp_path):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(ModelError, match=message):
        read_tensors(tmp_path / "w.pth")

"""Third-party weights: identify their network and convert it to the graph contract.

Known are eccv16 (Zhang, Isola, Efros 2016; the authors' PyTorch file, or photochrom's own weights of that network, at
any width) and siggraph17 (Zhang et al. 2017). The keys tell which; every key, shape and type is checked before a number
is used.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from .. import ab_bins
from ..atomic_file import part_file, refuse_existing
from ..errors import ModelError
from ..nets.eccv16 import ECCV16
from ..nets.siggraph17 import AB_SCALE, SIGGRAPH17
from ..tensor_file import read_tensors
from ..training.decoded import Decoded
from ..training.export import Card, write_model
from .fetch import PUBLISHED, sha256_of
from .temperature import Measured, folder_photographs, measure, sample_photographs

NETWORKS = {"eccv16": ECCV16, "siggraph17": SIGGRAPH17}
NATIVE_SIZE = 256  # pixels; the size that the authors' code resizes to, for both networks
WIDEST = 2.0  # width factor; bounds the memory that a file can ask for
COLOURS = "model_out.weight"  # of the published eccv16: the fixed layer from 313 probabilities to ab / 110
SAME_BINS = 0.1  # ab units; float16 moves a centre by 0.03
COUNTER = ".num_batches_tracked"  # of a BatchNorm; files of old PyTorch have none
SHOWN = 3  # keys that an error names


@dataclass(frozen=True)
class Foreign:
    """A network from a foreign file, in eval mode. kind: eccv16 or siggraph17; colours: [313, 2] ab of the file's own
    decode where they are not ab_bins.CENTRES (then the 313 classes are not photochrom's bins); notes: for the person.
    """

    kind: str
    width: float
    network: nn.Module
    colours: Tensor | None
    notes: tuple[str, ...]

    def decoded(self) -> nn.Module:
        """(lightness, temperature) -> (ab,) or (ab, probabilities), for export.write_model."""
        if self.kind == "siggraph17":
            return Regressed(self.network).eval()
        if self.colours is not None:
            return OwnColours(self.network, self.colours).eval()
        return Decoded(self.network).eval()


@dataclass(frozen=True)
class Imported:
    """What import_model did. weights: the .safetensors file, None where the imported file is it; temperature: None for
    a network without one; notes: for the person."""

    model: Path
    weights: Path | None
    kind: str
    parameters: int
    sha256: str
    temperature: Measured | None
    notes: tuple[str, ...]


class Regressed(nn.Module):
    """A network whose output is ab itself: the temperature changes nothing."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.stride = network.stride

    def forward(self, lightness: Tensor, temperature: Tensor) -> tuple[Tensor]:
        return (self.network(lightness) + 0 * temperature,)  # required by the graph contract


class OwnColours(nn.Module):
    """313 classes that stand for other colours than the bins: their annealed mean alone, since the contract's
    `probabilities` are those of the bins."""

    colours: Tensor

    def __init__(self, network: nn.Module, colours: Tensor) -> None:
        super().__init__()
        self.network = network
        self.stride = network.stride
        self.register_buffer("colours", colours)

    def forward(self, lightness: Tensor, temperature: Tensor) -> tuple[Tensor]:
        last = self.network(lightness).permute(0, 2, 3, 1)
        return (torch.matmul(torch.softmax(last / temperature, dim=-1), self.colours).permute(0, 3, 1, 2),)


def import_model(
    file: Path,
    target: Path,
    *,
    name: str | None = None,
    photographs: Path | None = None,
    overwrite: bool = False,
) -> Imported:
    """Write the network in `file` as `target` (ONNX, float32, keeping the graph contract) and its weights, under their
    published names without the fixed colours, as .safetensors beside it.

    photographs: a folder of colour photographs to measure on whether the temperature is folded into eccv16's weights
    [default: scikit-image's]; if it is, it is taken out. Raises ModelError, OutputError, DataError; then nothing was
    written.
    """
    if target.suffix != ".onnx":
        raise ModelError(f"{target}: ends in {target.suffix or 'no suffix'}; expected a name that ends in .onnx")
    if file.exists() and target.exists() and target.samefile(file):
        raise ModelError(
            f"{target}: is the file to be imported; expected another name for the model: choose one with -o"
        )
    refuse_existing(target, overwrite)
    weights = target.with_suffix(".safetensors")
    is_source = weights.exists() and file.exists() and weights.samefile(file)  # never written over
    if not is_source:
        refuse_existing(weights, overwrite)
    foreign = read_network(file)
    measured, temperature, notes = None, ab_bins.TEMPERATURE, list(foreign.notes)
    if foreign.kind == "eccv16":
        measured, note = _measure(foreign, photographs)
        notes += [note] if note else []
        if measured is not None and measured.decision == "folded":
            _scale_logits(foreign.network, measured.factor)
            if measured.factor < 1:  # then by default the colours are those of the file's own code
                temperature = round(measured.factor, 4)
            if is_source:
                notes.append(f"{weights} stays as it is, with the factor inside; only the model is without it")
    _check_colours(file, foreign)
    sha256 = sha256_of(file)
    training = {
        "imported": file.name,
        "sha256": sha256,
        "network": foreign.kind,
        "width": foreign.width,
        "temperature": measured.to_dict() if measured else None,
        "notes": notes,
    }
    card = _card(name or target.stem, sha256, temperature, measured)
    if is_source:
        write_model(foreign.decoded(), target, card, training=training, half=False, overwrite=overwrite)
    else:
        with part_file(weights, overwrite=overwrite) as part:
            part.write_bytes(_serialised(foreign.network, training))
            write_model(foreign.decoded(), target, card, training=training, half=False, overwrite=overwrite)
    parameters = sum(p.numel() for p in foreign.network.parameters())
    return Imported(target, None if is_source else weights, foreign.kind, parameters, sha256, measured, tuple(notes))


def read_network(file: Path) -> Foreign:
    """The network whose weights a .pth or .safetensors file holds. Raises ModelError as read_tensors does, and for
    keys, shapes, types or values that are of no known network."""
    state = read_tensors(file)
    kind = _recognise(file, state)
    width = _width(file, state)
    with torch.device("meta"):  # shapes alone: memory only for a file that fits
        network = NETWORKS[kind](width)
    colours = state.pop(COLOURS, None) if kind == "eccv16" else None
    expected = network.state_dict()
    for key in expected:
        if key.endswith(COUNTER):
            state.setdefault(key, torch.zeros((), dtype=torch.int64))
    _check_keys(file, kind, state, expected)
    for key, tensor in expected.items():
        _check_tensor(file, key, state[key], tuple(tensor.shape))
    network.load_state_dict({k: v.to(expected[k].dtype).contiguous() for k, v in state.items()}, assign=True)
    network.requires_grad_(False).eval()
    if colours is None:
        return Foreign(kind, width, network, None, ())
    _check_tensor(file, COLOURS, colours, (2, ab_bins.Q, 1, 1))
    return Foreign(kind, width, network, *_own_colours(colours))


def _recognise(file: Path, state: dict[str, Tensor]) -> str:
    if any(key.startswith(("model10up.", "model_class.")) for key in state):
        return "siggraph17"
    if any(key.startswith("model8.") for key in state):
        return "eccv16"
    raise ModelError(
        f"{file}: has the entries {_first(state)}; expected those of eccv16 (model1.0.weight ... model8.6.bias) "
        "or siggraph17 (model1.0.weight ... model_out.0.bias)"
    )


def _width(file: Path, state: dict[str, Tensor]) -> float:
    """The factor on the channel counts, from one of the widest layers."""
    widest = state.get("model7.0.bias")
    if widest is None or widest.ndim != 1 or len(widest) == 512:
        return 1.0  # what is wrong, if anything, is said by the checks of keys and shapes
    width = len(widest) / 512
    if not 1 / 64 <= width <= WIDEST:
        raise ModelError(f"{file}: model7.0.bias has {len(widest)} channels; expected 8..{int(512 * WIDEST)}")
    return width


def _check_keys(file: Path, kind: str, state: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    missing = [key for key in expected if key not in state]
    extra = [key for key in state if key not in expected]
    if missing or extra:
        found = [f"lacks {_first(missing)}"] if missing else []
        found += [f"has {_first(extra)} besides"] if extra else []
        raise ModelError(f"{file}: {' and '.join(found)}; expected the {len(expected)} entries of {kind}")


def _first(keys: Iterable[str]) -> str:
    names = [key[:80] for key in keys]
    rest = len(names) - SHOWN
    return (", ".join(names[:SHOWN]) or "none") + (f" and {rest} more" if rest > 0 else "")


def _check_tensor(file: Path, key: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(tensor.shape) != shape:
        raise ModelError(f"{file}: {key} has the shape {list(tensor.shape)}; expected {list(shape)}")
    if key.endswith(COUNTER):
        if tensor.dtype != torch.int64:
            raise ModelError(f"{file}: {key} is {tensor.dtype}; expected torch.int64")
        return
    if tensor.dtype not in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        raise ModelError(f"{file}: {key} is {tensor.dtype}; expected torch.float32, or 16 or 64 bits")
    if not bool(torch.isfinite(tensor).all()):
        raise ModelError(f"{file}: {key} has values that are no finite numbers; the file is damaged")
    if key.endswith(".running_var") and bool((tensor < 0).any()):
        raise ModelError(f"{file}: {key} has values below 0; expected variances: the file is damaged")


def _check_colours(file: Path, foreign: Foreign) -> None:
    """Finite weights can still overflow on their way through the network."""
    ramp = torch.linspace(0, 100, 64).expand(1, 1, 64, 64)
    with torch.inference_mode():
        ab = foreign.decoded()(ramp, torch.tensor([ab_bins.TEMPERATURE]))[0]
    if not bool(torch.isfinite(ab).all()):
        raise ModelError(f"{file}: the network gives no finite colours; its weights are damaged, or of another network")


def _own_colours(weight: Tensor) -> tuple[Tensor | None, tuple[str, ...]]:
    """Colours for Foreign.colours, and notes, from the published file's last layer."""
    colours = weight[:, :, 0, 0].T.double().numpy()  # [313, 2], ab / 110
    far = np.abs(colours * AB_SCALE - ab_bins.CENTRES).max()
    if min(far, np.abs(colours - ab_bins.CENTRES).max()) <= SAME_BINS:
        return None, ()
    note = (
        f"{COLOURS} is not the 313 bins (up to {far:.0f} ab units off): the file's own colours are kept, the model "
        "has no probabilities (no mode, no samples), and the temperature was not measured"
    )
    return torch.from_numpy(colours * AB_SCALE).float(), (note,)


def _measure(foreign: Foreign, folder: Path | None) -> tuple[Measured | None, str | None]:
    """The temperature folded into eccv16's last layer; else why it was not measured."""
    if foreign.colours is not None:
        return None, None
    photographs = sample_photographs() if folder is None else folder_photographs(folder)
    if not photographs:
        return None, (
            "whether the temperature is folded in was not measured: give colour photographs with --photographs, or "
            "install scikit-image, which has some"
        )
    return measure(foreign.network, photographs), None


def _scale_logits(network: nn.Module, factor: float) -> None:
    with torch.no_grad():
        for parameter in network.model8[-1].parameters():  # type: ignore[index,union-attr]
            parameter.mul_(factor)


def _card(name: str, sha256: str, temperature: float, measured: Measured | None) -> Card:
    known = next((p for p in PUBLISHED.values() if sha256.startswith(p.digest)), None)
    return Card(
        name=name,
        version="1",
        native_size=NATIVE_SIZE,
        temperature=temperature,
        training_data=known.training_data if known else "not stated",
        licence=known.licence if known else "not stated",
        scores=json.dumps({"temperature": str(measured)} if measured else {}),
    )


def _serialised(network: nn.Module, training: dict[str, Any]) -> bytes:
    state = {key: value.contiguous() for key, value in network.state_dict().items()}
    return safetensors.torch.save(state, {"photochrom": json.dumps(training)})

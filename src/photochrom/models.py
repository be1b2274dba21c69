"""Models: from a name or a path to a graph that keeps photochrom's contract, and what its file says about itself.

The contract: inputs `lightness` float32 [N, 1, H, W] (CIE L 0..100, H and W multiples of 32) and `temperature` float32
[1]; output `ab` float32 [N, 2, H/stride, W/stride] in CIE units, and for models over the 313 bins `probabilities`
[N, 313, H/stride, W/stride] at temperature 1; and the metadata of _read_metadata.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .errors import ModelError
from .onnx_outputs import drop_output

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

WEIGHTS = Path(__file__).parent / "weights"
CONTRACT = "1"
SIDE_MULTIPLE = 32  # pixels; H and W of `lightness`
FETCHABLE = ("eccv16", "siggraph17")  # names that `photochrom models fetch` knows


@dataclass(frozen=True)
class ModelInfo:
    """What a model's file says about itself. stride: network pixels per cell of ab; native_size: short side in pixels
    of the lightness it was made for; temperature: its default; bytes: size of the file; has_probabilities: whether it
    gives the distribution over the 313 bins, which the mode needs; least_range: of lightness, to which a faded
    photograph's is stretched before the network sees it (contrast.py; 0: never).
    """

    name: str
    version: str
    path: Path
    stride: int
    native_size: int
    temperature: float
    training_data: str
    licence: str
    sha256: str
    bytes: int
    has_probabilities: bool
    scores: dict[str, Any] = field(default_factory=dict)
    least_range: float = 0.0


def bundled_models() -> dict[str, Path]:
    """The models inside the package: name -> file, sorted by name."""
    return {path.stem: path for path in sorted(WEIGHTS.glob("*.onnx"))}


def cache_folder() -> Path:
    """Where fetched models are kept: photochrom in XDG_CACHE_HOME, else in ~/.cache. It need not exist."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():  # the XDG specification: to be ignored
        base = Path.home() / ".cache"
    return base / "photochrom"


def known_models() -> dict[str, Path]:
    """The bundled models, then the fetched ones: name -> file, each sorted by name. A bundled name comes first."""
    models = bundled_models()
    try:
        fetched = sorted(cache_folder().glob("*.onnx"))
    except (RuntimeError, OSError):  # a user without a home, or who may not look there
        fetched = []
    for path in fetched:
        models.setdefault(path.stem, path)
    return models


def find_model(name_or_path: str | Path) -> Path:
    """The file of a bundled or fetched model's name, or of a path to an ONNX file. Raises ModelError if there is
    neither."""
    name = str(name_or_path)
    models = known_models()
    if name in models:
        return models[name]
    path = Path(name_or_path)
    if path.is_file():
        return path
    known = ", ".join(models) or "none"
    advice = f"; to download it, run: photochrom models fetch {name}" if name in FETCHABLE else ""
    raise ModelError(
        f"{name}: no model of that name and no such file; expected one of: {known}; or an .onnx file{advice}"
    )


def list_models() -> list[ModelInfo]:
    """The bundled models, then the fetched ones, each sorted by name."""
    return [read_info(path) for path in known_models().values()]


def read_info(path: str | Path) -> ModelInfo:
    """What the model in `path` says about itself, after checking its contract. Raises ModelError."""
    return open_session(path, threads=1)[1]


def open_session(
    path: str | Path, threads: int | None = None, output: Literal["ab", "probabilities"] = "ab"
) -> tuple[InferenceSession, ModelInfo]:
    """An ONNX Runtime session on `threads` cores (None: all that this process may use), and the model's info.

    The session computes `output` alone: who asks for colours does not pay for the distribution. Raises ModelError
    naming the file, what was found and what was expected.
    """
    from .onnx_runtime import onnxruntime

    file = find_model(path)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ModelError(f"{file}: could not be read ({error.strerror}); expected an ONNX file") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised as an exception, and told once
    options.intra_op_num_threads = threads or usable_cores()
    options.inter_op_num_threads = 1
    other = "probabilities" if output == "ab" else "ab"
    try:
        graph = drop_output(data, other)
    except ValueError:
        graph = data  # ONNX Runtime says what is wrong with it
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except _onnxruntime_errors() as error:
        raise ModelError(f"{file}: not a model that ONNX Runtime can load ({_first_line(error)})") from error
    return session, _check_contract(file, data, session, output, has_other=len(graph) < len(data))


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _onnxruntime_errors() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises for files and graphs it cannot use: no common base class but Exception."""
    from .onnx_runtime import onnxruntime

    state = onnxruntime.capi.onnxruntime_pybind11_state
    names = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoModel", "NoSuchFile", "NotImplemented",
             "RuntimeException")  # fmt: skip
    return tuple(getattr(state, name) for name in names if hasattr(state, name))


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]


def _check_contract(file: Path, data: bytes, session: InferenceSession, output: str, has_other: bool) -> ModelInfo:
    """session: computes `output`; has_other: the file also has the other one of ab and probabilities."""
    inputs = {node.name: node for node in session.get_inputs()}
    outputs = {node.name: node for node in session.get_outputs()}
    if set(inputs) != {"lightness", "temperature"}:
        raise ModelError(f"{file}: has the inputs {_names(inputs)}; expected lightness and temperature")
    if set(outputs) != {output}:
        raise ModelError(f"{file}: has the outputs {_names(outputs)}; expected ab, and probabilities or nothing more")
    _check_node(file, inputs["lightness"], 4, {1: 1})
    _check_node(file, inputs["temperature"], 1, {0: 1})
    _check_node(file, outputs[output], 4, {1: 2 if output == "ab" else 313})
    metadata = dict(session.get_modelmeta().custom_metadata_map)
    return _read_metadata(file, metadata, data, has_other or output == "probabilities")


def _names(nodes: dict[str, Any]) -> str:
    return ", ".join(sorted(nodes)) or "none"


def _check_node(file: Path, node: Any, rank: int, sizes: dict[int, int]) -> None:
    """One input or output: float32, of that rank, with those sizes where the graph fixes them."""
    if node.type != "tensor(float)":
        raise ModelError(f"{file}: {node.name} is {node.type}; expected tensor(float)")
    # Shape inference can leave an output's shape unknown: then running tells.
    if node.shape and len(node.shape) != rank:
        raise ModelError(f"{file}: {node.name} has {len(node.shape)} dimensions {node.shape}; expected {rank}")
    for axis, size in sizes.items():
        found = node.shape[axis] if node.shape else None
        if isinstance(found, int) and found != size:
            raise ModelError(f"{file}: {node.name} has the shape {node.shape}; expected {size} on axis {axis}")


def _read_metadata(file: Path, metadata: dict[str, str], data: bytes, has_probabilities: bool) -> ModelInfo:
    if metadata.get("photochrom_contract") != CONTRACT:
        found = metadata.get("photochrom_contract", "no entry")
        raise ModelError(f"{file}: its metadata photochrom_contract is {found}; expected {CONTRACT}")

    def text(key: str) -> str:
        if key not in metadata:
            raise ModelError(f"{file}: its metadata has no {key}; expected it beside {_names(metadata)}")
        return metadata[key]

    def number(key: str) -> float:
        try:
            value = float(text(key))
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and value > 0):
            raise ModelError(f"{file}: its metadata {key} is {text(key)!r}; expected a number above 0")
        return value

    def whole(key: str) -> int:
        value = number(key)
        if value != int(value):
            raise ModelError(f"{file}: its metadata {key} is {text(key)!r}; expected a whole number")
        return int(value)

    try:
        least_range = float(metadata.get("least_range", "0"))
    except ValueError:
        least_range = math.nan
    if not 0 <= least_range <= 100:
        raise ModelError(
            f"{file}: its metadata least_range is {metadata['least_range']!r}; expected a number, 0 to 100"
        )
    stride = whole("stride")
    if SIDE_MULTIPLE % stride:
        raise ModelError(f"{file}: its metadata stride is {stride}; expected a divisor of {SIDE_MULTIPLE}")
    try:
        scores = json.loads(metadata.get("scores", "{}"))
    except json.JSONDecodeError as error:
        raise ModelError(f"{file}: its metadata scores is not JSON ({error})") from error
    return ModelInfo(
        name=text("name"),
        version=text("version"),
        path=file,
        stride=stride,
        native_size=whole("native_size"),
        temperature=number("temperature"),
        training_data=text("training_data"),
        licence=text("licence"),
        sha256=hashlib.sha256(data).hexdigest(),
        bytes=len(data),
        has_probabilities=has_probabilities,
        scores=scores,
        least_range=least_range,
    )

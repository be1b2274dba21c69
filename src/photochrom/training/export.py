"""Export of a checkpoint to one ONNX file that keeps the graph contract: decode included, model card in the metadata.

Inputs: lightness float32 [N, 1, H, W], temperature float32 [1]. Outputs: ab float32 [N, 2, H/s, W/s], the annealed
mean; probabilities [N, 313, H/s, W/s] at temperature 1.
"""

from __future__ import annotations

import io
import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from .. import ab_bins
from ..atomic_file import part_file
from ..errors import DataError, ModelError, SettingError
from ..models import CONTRACT, open_session
from ..onnx_runtime import onnxruntime
from .checkpoints import read_checkpoint
from .decoded import Softened, decoded
from .networks import build_network
from .recipe import recipe_from_dict
from .task import build_head

OPSET = 17
SOFTENINGS = (1, 2, 4)  # divisors of 32, since a photograph's sides are padded to multiples of 32
SAME_COLOUR = 0.05  # ab units: tolerance between ONNX Runtime and PyTorch
LARGE = 20_000  # weights of a tensor whose precision may be halved


@dataclass(frozen=True)
class Card:
    """The model card (see models.ModelInfo). temperature and native_size are the model's defaults;
    least_range: of lightness, to which a faded photograph's is stretched (contrast.py; 0: never)."""

    name: str
    version: str
    native_size: int
    temperature: float = ab_bins.TEMPERATURE
    training_data: str = "not stated"
    licence: str = "not stated"
    scores: str = "{}"
    least_range: float = 0.0


def scores_of(report: Path, name: str) -> str:
    """The scores of the system `name` in a report.json of `photochrom evaluate`, for a Card. Raises DataError."""
    try:
        content = json.loads(report.read_text("utf-8"))
        system = content["systems"][name]
        scores = {**system["colour"], **(system["semantic"] or {})}
    except (OSError, ValueError, KeyError, TypeError) as error:
        expected = f"expected a report.json of `photochrom evaluate` with {name} in it"
        raise DataError(f"{report}: no scores found ({error!r}); {expected}") from error
    kept = {
        key: f"{value['value']:.1f} [{value['low']:.1f}, {value['high']:.1f}]"
        for key, value in scores.items()
        if isinstance(value, dict)
    }
    return json.dumps({"photographs": f"{content['photographs']} of {content['data']}, {content['half']} half", **kept})


def load_checkpoint(path: Path) -> tuple[nn.Module, NDArray[np.float64], dict[str, Any]]:
    """The network (averaged weights where the run kept them, eval mode), the prior and the recipe of a checkpoint.

    path: a run's folder or a .ckpt file. Read by the restricted unpickler only. Raises DataError.
    """
    content = read_checkpoint(path)
    recipe = recipe_from_dict(content["photochrom"]["recipe"], str(path))
    head = build_head(recipe, np.full(ab_bins.Q, 1 / ab_bins.Q))
    network = build_network(recipe.network, head.channels)
    prefix = "network."
    state = {k.removeprefix(prefix): v for k, v in content["state_dict"].items() if k.startswith(prefix)}
    network.load_state_dict(state)
    step = int(content["global_step"])
    trained = {"step": step, "photographs": step * recipe.training.batch, "recipe": recipe.to_dict()}
    return network.eval(), np.array(content["photochrom"]["prior"]), trained


def export(
    checkpoint: Path,
    target: Path,
    card: Card,
    rebalance: float = 1.0,
    half: bool = True,
    overwrite: bool = False,
    soften: int = 1,
) -> None:
    """Write the network of `checkpoint` to `target`. rebalance: see rebalancing_bias; soften: one of
    SOFTENINGS, see Softened. Raises as write_model, DataError and SettingError."""
    if soften not in SOFTENINGS:
        raise SettingError(f"soften is {soften}; expected one of: {', '.join(map(str, SOFTENINGS))}")
    network, prior, trained = load_checkpoint(checkpoint)
    if soften > 1:
        network = Softened(network, soften).eval()
    recipe = recipe_from_dict(trained["recipe"], str(checkpoint))
    whole = decoded(network, build_head(recipe, prior), prior, recipe.loss.lam, rebalance)
    training = {"rebalance": rebalance, "soften": soften, **trained}
    write_model(whole, target, card, training=training, half=half, overwrite=overwrite)


def write_model(
    whole: nn.Module,
    target: Path,
    card: Card,
    *,
    training: dict[str, Any] | None = None,
    half: bool = True,
    overwrite: bool = False,
) -> None:
    """Write a network with its decode to `target`, after checking that the graph keeps the contract and agrees with
    PyTorch.

    whole: has `stride`; (lightness, temperature) -> (ab,) or (ab, probabilities). training: provenance, for
    the metadata. half: store large weights as float16, if the colours stay the same (computation stays float32).
    Raises ModelError, OutputError.
    """
    model = to_onnx(whole)
    if not (difference := _difference(model, whole)) <= SAME_COLOUR:  # NaN too
        raise ModelError(
            f"the exported graph differs from PyTorch by {difference:.3f} ab units; expected {SAME_COLOUR}"
        )
    if half:
        halved = with_halved_weights(model)
        if _difference(halved, whole) <= SAME_COLOUR:  # else the network needs float32 weights
            model = halved
    metadata = {
        "name": card.name,
        "version": card.version,
        "stride": str(whole.stride),
        "native_size": str(card.native_size),
        "temperature": str(card.temperature),
        "least_range": str(card.least_range),
        "training_data": card.training_data,
        "licence": card.licence,
        "scores": card.scores,
        "photochrom_contract": CONTRACT,
        "training": json.dumps(training or {}),
    }
    helper.set_model_props(model, metadata)
    outputs: tuple[Literal["ab", "probabilities"], ...] = tuple(o.name for o in model.graph.output)  # type: ignore[assignment]
    with part_file(target, overwrite=overwrite) as part:
        part.write_bytes(model.SerializeToString())
        for output in outputs:
            open_session(part, output=output)  # refuses what does not keep the contract


def export_weights(checkpoint: Path, target: Path, overwrite: bool = False, half: bool = True) -> None:
    """Write the network's weights alone as .safetensors, float16 with `half`: to start another training from
    (network.weights)."""
    state = load_checkpoint(checkpoint)[0].state_dict()
    with part_file(target, overwrite=overwrite) as part:
        save_file({k: (v.half() if half and v.is_floating_point() else v).contiguous() for k, v in state.items()}, part)


def to_onnx(whole: nn.Module) -> onnx.ModelProto:
    """The graph of (lightness, temperature) -> (ab,) or (ab, probabilities) in float32, with free N, H and W."""
    buffer = io.BytesIO()
    example = (torch.full((1, 1, 64, 96), 50.0), torch.tensor([ab_bins.TEMPERATURE]))
    with torch.inference_mode():
        outputs = ["ab", "probabilities"][: len(whole(*example))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecation notices; the checks below decide
        torch.onnx.export(
            whole,
            example,
            buffer,  # type: ignore[arg-type]
            input_names=["lightness", "temperature"],
            output_names=outputs,
            dynamic_axes={
                "lightness": {0: "N", 2: "H", 3: "W"},
                **{output: {0: "N", 2: "h", 3: "w"} for output in outputs},
            },
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load_model_from_string(buffer.getvalue())
    _fuse_pads(model)
    onnx.checker.check_model(model)
    return model


def _fuse_pads(model: onnx.ModelProto) -> None:
    """Let the convolutions of lite do their "same" padding themselves (a pass over memory less for each). ONNX can say
    what PyTorch cannot, pads of uneven size; _check_same then holds the result against PyTorch."""
    graph = model.graph
    makers = {output: node for node in graph.node for output in node.output}
    for node in graph.node:
        pad = makers.get(node.input[0]) if node.op_type == "Conv" else None
        if pad is not None and pad.op_type == "Pad":
            for attribute in [a for a in node.attribute if a.name == "pads"]:
                node.attribute.remove(attribute)
            node.attribute.append(helper.make_attribute("auto_pad", "SAME_UPPER"))
            node.input[0] = pad.input[0]
    while True:  # drop the pads and what computed their sizes
        used = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
        dead = [node for node in graph.node if not used.intersection(node.output)]
        if not dead:
            return
        for node in dead:
            graph.node.remove(node)


def _difference(model: onnx.ModelProto, whole: nn.Module) -> float:
    """The most that ONNX Runtime's colours differ from PyTorch's, in ab units, on smooth shapes with grain."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    random = torch.Generator().manual_seed(0)
    shapes = functional.interpolate(torch.rand(2, 1, 6, 4, generator=random) * 100, size=(96, 64), mode="bicubic")
    lightness = (shapes + torch.randn(shapes.shape, generator=random)).clamp(0, 100)
    temperature = torch.tensor([ab_bins.TEMPERATURE])
    (found,) = session.run(["ab"], {"lightness": lightness.numpy(), "temperature": temperature.numpy()})
    with torch.inference_mode():
        return float(np.abs(found - whole(lightness, temperature)[0].numpy()).max())


def with_halved_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store large weights as float16 with a Cast after each: half the file; ONNX Runtime folds the casts on loading.

    Small tensors stay float32: the stem, depthwise kernels and biases are ten times as sensitive.
    """
    halved = onnx.ModelProto()
    halved.CopyFrom(model)
    graph = halved.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < LARGE:
            continue
        name = tensor.name
        values = numpy_helper.to_array(tensor).astype(np.float16)
        stored = f"{name}.half"
        tensor.CopyFrom(numpy_helper.from_array(values, stored))
        casts.append(helper.make_node("Cast", [stored], [name], to=TensorProto.FLOAT))
    for node in reversed(casts):
        graph.node.insert(0, node)
    return halved

"""Data-dependent rescaling, before a trained network is fine-tuned on something else (section 3.2 of the paper, after
Kraehenbuehl, Doersch, Donahue and Darrell 2016).

Trained layers have outputs of very different scales, so that with one learning rate some layers change much and
others hardly. Here every layer is scaled as a whole until its outputs on photographs have variance 1, and the next
layer undoes that: between them are only ReLU and maxima, for which f(s x) = s f(x), s > 0. So the network
computes the same. Their other step, equal learning rates for all layers (algorithm 2), is in
training/initialisation.py.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable
from typing import Any, cast

import torch
from torch import Tensor, fx, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from ..errors import SettingError
from ..training.filters import Layer
from .network_graph import graph_of, single_modules
from .trunk import Trunk

CONSTANT = 1e-5  # share of a layer's outputs that their variation may be and still be rounding
TINY = 1e-30  # outputs that no factor could bring to 1 in single precision

# For these f(s x) = s f(x) for s > 0. Any other step of a network gets its inputs at the scale that they had.
HOMOGENEOUS = (
    nn.Identity, nn.ReLU, nn.LeakyReLU, nn.Dropout, nn.Dropout2d, nn.Flatten, nn.Upsample, nn.ZeroPad2d,
    nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveMaxPool2d, nn.AdaptiveAvgPool2d,
)  # fmt: skip
HOMOGENEOUS_FUNCTIONS: set[Callable[..., Any]] = {
    torch.relu, functional.relu, functional.max_pool2d, functional.avg_pool2d, functional.adaptive_avg_pool2d,
    functional.interpolate, torch.flatten, operator.getitem,
}  # fmt: skip


def rescale(network: nn.Module, batch: Tensor) -> dict[str, float]:
    """Scale every convolution and linear layer of `network`, in place, so that over `batch` the variance of its
    outputs, averaged over its channels, is 1. In eval mode the network then computes what it did before but for
    rounding.

    network: also a Trunk: then its whole network computes the same, and each stage's features are a multiple of what
    they were. Absorb its batch norm first where that can be (absorb.py): one that stays undoes the scale ahead of it,
    and its running statistics are scaled along. batch: the network's input, lightness [N, 1, H, W] (0..100) of some
    dozens of photographs. Returns layer -> factor of its outputs, in the order in which they run.

    Not scaled are layers whose outputs are the network's own, or reach a step that is not homogeneous (an addition,
    ReLU6) with their scale; those that hardly vary, as on black photographs; and those that run twice. Raises
    SettingError for a batch that is empty or not finite, and ModelError for a network that cannot be
    traced.
    """
    if not batch.numel() or not batch.isfinite().all():
        raise SettingError(f"the batch has the shape {list(batch.shape)}; expected photographs, all values finite")
    if isinstance(network, Trunk):
        network = network.network
    graph = graph_of(network)
    modules = single_modules(network, graph)
    free = _free_layers(graph, modules)
    spreads = _spreads(network, batch, [cast(Layer, modules[node]) for node in free])
    scales: dict[fx.Node, float] = {}  # of what each node gives, as a multiple of what it gave
    factors: dict[str, float] = {}
    with torch.no_grad():
        for node in graph.nodes:
            before = next((scales[each] for each in node.all_input_nodes if scales[each] != 1), 1.0)
            module = modules.get(node)
            if isinstance(module, Layer):
                scales[node] = 1 / spreads.get(module, 1.0)
                module.weight.mul_(scales[node] / before)
                if module.bias is not None:
                    module.bias.mul_(scales[node])
                factors[str(node.target)] = scales[node]
            elif isinstance(module, _BatchNorm):
                scales[node] = 1.0
                _follow_input(module, before)
            else:
                scales[node] = before
    return factors


def _free_layers(graph: fx.Graph, modules: dict[fx.Node, nn.Module]) -> list[fx.Node]:
    """The layers whose scale something else can undo, in the order in which they run: a layer or a batch norm behind
    them, on every way to the output."""
    fixed: set[fx.Node] = set()  # what has to keep the scale that it gives
    for node in reversed(graph.nodes):
        module = modules.get(node)
        undoes = isinstance(module, Layer) or (isinstance(module, _BatchNorm) and _can_follow(module))
        if undoes or (_is_homogeneous(node, module) and node not in fixed):
            continue
        fixed.update(node.all_input_nodes)
    return [node for node in graph.nodes if isinstance(modules.get(node), Layer) and node not in fixed]


def _is_homogeneous(node: fx.Node, module: nn.Module | None) -> bool:
    if len(node.all_input_nodes) != 1:
        return False
    return isinstance(module, HOMOGENEOUS) or (node.op == "call_function" and node.target in HOMOGENEOUS_FUNCTIONS)


def _can_follow(norm: _BatchNorm) -> bool:
    return norm.running_var is not None and norm.affine


def _follow_input(norm: _BatchNorm, scale: float) -> None:
    """Let `norm` give what it gave, for inputs of another scale: with running statistics exactly, with the batch's up
    to its epsilon. (The weight makes up for the epsilon, which does not scale.)"""
    if scale == 1:
        return
    assert norm.running_mean is not None and norm.running_var is not None  # see _can_follow
    before = (norm.running_var + norm.eps).sqrt()
    norm.running_mean.mul_(scale)
    norm.running_var.mul_(scale**2)
    norm.weight.mul_((norm.running_var + norm.eps).sqrt() / (before * scale))


def _spreads(network: nn.Module, batch: Tensor, layers: Iterable[Layer]) -> dict[nn.Module, float]:
    """The root of the mean variance of each layer's output channels, in eval mode; of those that vary."""
    found: dict[nn.Module, float] = {}

    def note(layer: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        rows = (output if isinstance(layer, nn.Linear) else output.movedim(1, -1)).flatten(0, -2).double()
        spread = math.sqrt(float(rows.var(dim=0, correction=0).mean()))
        if spread > max(CONSTANT * math.sqrt(float(rows.square().mean())), TINY):
            found[layer] = spread

    modes = {module: module.training for module in network.modules()}
    handles = [layer.register_forward_hook(note) for layer in layers]
    network.eval()
    try:
        with torch.no_grad():
            network(batch.to(next(network.parameters()).device))
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes.items():
            module.training = mode
    return found

"""Data-dependent initialisation (Kraehenbuehl, Doersch, Donahue and Darrell 2016): the "k-means initialization" that
the paper starts its networks with (section 3.1).

In the order in which the network runs, every convolution and linear layer gets filters made of patches of its own
input, scaled and shifted so that over the batch each output channel has mean 0 and standard deviation 1 (their
algorithm 1). Then whole layers are scaled against each other until all learn at one rate (algorithm 2): until the norm
of the gradient is the same share of the norm of the weights everywhere, for a loss in a random direction of the output.

Where we differ: the prediction layer, the last to run, takes no part in the balance. It is scaled so that the network's
output has the standard deviation OUTPUT_STD, near enough to 0 that a softmax starts near uniform and a regression near
grey. Batch norm, which the authors leave out, computes with the batch's statistics, and has them when all is done.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import cast, get_args

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.nn.modules.batchnorm import _BatchNorm

from ..errors import SettingError
from .filters import LEAST_STD, Kind, Layer, set_filters

OUTPUT_STD = 0.1
BALANCE_CROPS = 8  # of the batch, and
DIRECTIONS = 2  # random ones of each crop's output, are what gradients are measured on: enough, at half a minute's work
BALANCE_ROUNDS = 10  # at most; where all is homogeneous, one or two do
BALANCED = 0.05  # largest distance of a layer's log ratio from the target


def initialise(
    network: nn.Module,
    batch: Tensor,
    kind: Kind = "kmeans",
    seed: int = 0,
    *,
    skip: Collection[str] = (),
    balance: bool = True,
) -> None:
    """Fill every Conv2d, ConvTranspose2d and Linear of `network` that runs on `batch`, in place.

    batch: the network's input, [N, ...]: some dozens of training crops. kind: filters by spherical k-means on whitened
    patches (Coates and Ng 2012), by PCA, or Gaussian. skip: names of modules (as of named_modules, each standing for
    itself alone) that are trained already: neither their weights nor their batch statistics change. balance: run
    algorithm 2 too. The same seed gives the same weights; PyTorch's own random numbers are not touched.
    Raises SettingError for an unknown kind, a name that is not in the network, and a batch that is empty or not finite.
    """
    if kind not in get_args(Kind):
        raise SettingError(f"kind is {kind!r}; expected one of: {', '.join(get_args(Kind))}")
    random = torch.Generator().manual_seed(seed)
    with _prepared(network, batch, skip) as (layers, last, batch):

        def fill(layer: Layer, x: Tensor) -> None:
            set_filters(layer, x, kind, random)

        def centre(layer: Layer, y: Tensor) -> Tensor:
            return _normalise_channels(layer, y, OUTPUT_STD if layer is last else 1.0)

        _run(network, batch, layers, before=fill, after=centre)
        if balance:
            _balance(network, batch, layers, random)
            _run(network, batch, [layer for layer in layers if layer is last], after=centre)


def rescale(network: nn.Module, batch: Tensor, seed: int = 0, *, skip: Collection[str] = ()) -> None:
    """Rescaling only, for a trained network: each layer is scaled as a whole, its bias along
    with it, first to outputs of standard deviation 1 and then by algorithm 2.

    The filters and their proportions stay, and so does what the network computes with batch statistics, if all between
    its layers is homogeneous (ReLU, maxima, batch norm but for its epsilon). Arguments and errors as of `initialise`.
    """
    random = torch.Generator().manual_seed(seed)
    with _prepared(network, batch, skip) as (layers, _, batch):
        pinned, _ = _structure(network, batch, layers)
        inputs = _input_sizes(network, batch, layers)

        def follow(layer: Layer, x: Tensor) -> None:
            _follow_input(layer, x, inputs, layer in pinned)

        def scale(layer: Layer, y: Tensor) -> Tensor:
            std = float(_rows(layer, y).std(dim=0, correction=0).mean())
            factor = 1.0 if layer in pinned or std <= LEAST_STD else 1 / std
            _scale(layer, factor)
            return y * factor

        _run(network, batch, layers, before=follow, after=scale)
        _balance(network, batch, layers, random)


@contextmanager
def _prepared(network: nn.Module, batch: Tensor, skip: Collection[str]) -> Iterator[tuple[list[Layer], Layer, Tensor]]:
    """(the layers to work on in the order in which they run, the prediction layer, the batch on their device), while
    dropout is off and batch norm computes with the batch's statistics. At the end those become its running ones, and
    all modes are as before."""
    modules = dict(network.named_modules())
    names = {name.rstrip(".") for name in skip}
    if unknown := sorted(names - set(modules)):
        raise SettingError(f"skip has {unknown[0]!r}; expected names of modules of {type(network).__name__}")
    if not batch.numel() or not batch.isfinite().all():
        raise SettingError(f"the batch has the shape {list(batch.shape)}; expected photographs, all values finite")
    skipped = {id(modules[name]) for name in names}
    work = [module for module in modules.values() if id(module) not in skipped]
    norms = [module for module in work if isinstance(module, _BatchNorm)]
    modes = {module: module.training for module in modules.values()}
    momenta = [norm.momentum for norm in norms]
    counts = [None if norm.num_batches_tracked is None else norm.num_batches_tracked.clone() for norm in norms]
    network.eval()
    for norm in norms:
        norm.train()
        norm.momentum = 0.0  # running statistics stay
    try:
        with torch.no_grad():
            batch = batch.to(next(network.parameters()).device)
            order = list(_input_sizes(network, batch, _all_layers(network)))
            if not order:
                raise SettingError(f"{type(network).__name__} runs no convolution or linear layer; expected some")
            layers = [layer for layer in order if id(layer) not in skipped]
            yield layers, order[-1], batch
            for norm in norms:
                norm.momentum = 1.0
            network(batch)
    finally:
        for norm, momentum, count in zip(norms, momenta, counts, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count
        for module, mode in modes.items():
            module.training = mode


def _run(
    network: nn.Module,
    batch: Tensor,
    layers: list[Layer],
    before: Callable[[Layer, Tensor], None] | None = None,
    after: Callable[[Layer, Tensor], Tensor] | None = None,
) -> Tensor:
    """The network's output, with `before` called on each layer and its input, and `after` on it and its output, whose
    place its result takes. A layer that runs twice is shown once."""
    seen: set[Layer] = set()

    def enter(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        if before is not None and module not in seen:
            before(cast(Layer, module), args[0])

    def leave(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if after is not None and module not in seen:
            output = after(cast(Layer, module), output)
        seen.add(cast(Layer, module))
        return output

    handles = [layer.register_forward_pre_hook(enter) for layer in layers]
    handles += [layer.register_forward_hook(leave) for layer in layers]
    try:
        output: Tensor = network(batch)
        return output
    finally:
        for handle in handles:
            handle.remove()


def _balance(network: nn.Module, batch: Tensor, layers: list[Layer], random: torch.Generator) -> None:
    """Algorithm 2, on all layers whose outputs may be scaled."""
    batch = batch[:BALANCE_CROPS]
    pinned, tail = _structure(network, batch, layers)
    free = [layer for layer in layers if layer not in pinned]
    if not free:
        return
    inputs = _input_sizes(network, batch, layers)
    shape = network(batch).shape
    directions = [torch.randn(shape, generator=random).to(batch) for _ in range(DIRECTIONS)]
    kept: list[tuple[Tensor, Tensor]] = []  # parameters, and what they were before the last round
    spread, alive = math.inf, 0
    for _ in range(BALANCE_ROUNDS):
        ratios = _log_ratios(network, batch, free, directions)
        before, spread = spread, max(ratios.values(), default=0.0) - min(ratios.values(), default=0.0)
        if len(ratios) < alive or spread >= before:
            # It went too far: with weights this small, batch norm's epsilon outweighs what goes through it.
            for parameter, value in kept:
                parameter.copy_(value)
            return
        alive = len(ratios)
        # The geometric mean: the product of the corrections is 1, and the prediction layer's input keeps its size.
        level = [ratios[layer] for layer in tail if layer in ratios] or list(ratios.values())
        target = sum(level) / max(1, len(level))
        if all(abs(ratio - target) < BALANCED for ratio in ratios.values()):
            return
        # A layer's gradient shrinks as its weights grow, so the ratio falls with the square of the scale.
        factors = {layer: math.exp((ratio - target) / 2) for layer, ratio in ratios.items()}

        def correct(layer: Layer, x: Tensor, factors: dict[Layer, float] = factors) -> None:
            _follow_input(layer, x, inputs, layer in pinned)
            _scale(layer, factors.get(layer, 1.0))

        kept = [(parameter, parameter.clone()) for layer in layers for parameter in layer.parameters(recurse=False)]
        _run(network, batch, layers, before=correct)


def _structure(network: nn.Module, batch: Tensor, layers: list[Layer]) -> tuple[set[Layer], list[Layer]]:
    """(the layers whose outputs must keep their scale, the others whose scale reaches the prediction layer).

    Pinned are the prediction layer, those ahead of a layer that is skipped, and those whose outputs are added to or put
    beside something else (hypercolumns, skip connections): scaled apart, one path would outweigh the other, and
    algorithm 2 would drive that on without end. A batch norm hides the scale of what is ahead of it. All this is read
    off the graph that autograd records.
    """
    of_node: dict[Node, Layer] = {}

    def note(layer: Layer, y: Tensor) -> Tensor:
        if y.grad_fn is not None:
            of_node[y.grad_fn] = layer
        return y

    with torch.enable_grad():
        output = _run(network, batch.detach().requires_grad_(), _all_layers(network), after=note)
    *_, last = of_node.values()
    node_of = {layer: node for node, layer in of_node.items()}

    def behind(node: Node) -> set[Layer]:
        """The layers whose outputs come to `node` with their scale."""
        found, todo, seen = set(), [node], {node}
        while todo:
            for parent, _ in todo.pop().next_functions:
                if parent is None or parent in seen:
                    continue
                seen.add(parent)
                if parent in of_node:
                    found.add(of_node[parent])
                elif "Norm" not in parent.name():
                    todo.append(parent)
        return found

    pinned, todo = {last}, [output.grad_fn]
    seen: set[Node | None] = {None}
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        todo += [parent for parent, _ in node.next_functions]
        skipped = node in of_node and of_node[node] not in layers
        if skipped or node.name().startswith(("AddBackward", "SubBackward", "CatBackward", "StackBackward")):
            pinned |= behind(node)
    tail: dict[Layer, None] = {}
    front = [last]
    while front:
        reached = [layer for layer in behind(node_of[front.pop()]) if layer not in pinned and layer not in tail]
        tail.update(dict.fromkeys(reached))
        front += reached
    return pinned, list(tail)


def _log_ratios(network: nn.Module, batch: Tensor, layers: list[Layer], directions: list[Tensor]) -> dict[Layer, float]:
    """log(norm of the gradient / norm of the weights), of the layers that have both."""
    frozen = [layer for layer in layers if not layer.weight.requires_grad]
    for layer in frozen:
        layer.weight.requires_grad_(True)
    weights = [layer.weight for layer in layers]
    squares = dict.fromkeys(layers, 0.0)
    try:
        with torch.enable_grad():
            output = network(batch)
        for direction in directions:
            gradients = torch.autograd.grad(output, weights, direction, retain_graph=True, allow_unused=True)
            for layer, gradient in zip(layers, gradients, strict=True):
                squares[layer] += 0.0 if gradient is None else float(gradient.square().sum())
    finally:
        for layer in frozen:
            layer.weight.requires_grad_(False)
    norms = {layer: float(layer.weight.norm()) for layer in layers}
    return {
        layer: math.log(math.sqrt(squares[layer] / len(directions)) / norms[layer])
        for layer in layers
        if 0 < squares[layer] < math.inf and 0 < norms[layer] < math.inf
    }


def _normalise_channels(layer: Layer, y: Tensor, std: float) -> Tensor:
    """Algorithm 1: scale and shift each output channel of `layer` to mean 0 and `std`; its output y, changed alike."""
    rows = _rows(layer, y)
    spread, mean = torch.std_mean(rows, dim=0, correction=0)
    factor = torch.where(spread > LEAST_STD, std / spread, std)  # of constant channels the filters have norm 1
    _scale(layer, factor)
    shift = -mean * factor
    if layer.bias is None:
        shift = torch.zeros_like(shift)
    else:
        layer.bias.add_(shift)
    shape = (-1,) if isinstance(layer, nn.Linear) else (-1, 1, 1)
    return y * factor.view(shape) + shift.view(shape)


def _scale(layer: Layer, factor: Tensor | float) -> None:
    """Multiply weights and bias by a factor for all, or one for each output channel."""
    if layer.bias is not None:
        layer.bias.mul_(factor)
    if isinstance(factor, Tensor):
        if isinstance(layer, nn.ConvTranspose2d):  # weight [inputs, outputs / groups, ...]
            by_group = factor.view(layer.groups, -1).repeat_interleave(layer.in_channels // layer.groups, dim=0)
            factor = by_group[:, :, None, None]
        else:
            factor = factor.view(-1, *[1] * (layer.weight.dim() - 1))
    layer.weight.mul_(factor)


def _follow_input(layer: Layer, x: Tensor, inputs: dict[Layer, float], pinned: bool) -> None:
    """Account for the change of scale of the layer's input x since `inputs` was noted: the weights of a pinned layer
    undo it; the bias of another goes along, so that its output has only changed its scale."""
    size = float(x.abs().mean())
    if size > 0 and inputs[layer] > 0:
        change = size / inputs[layer]
        if pinned:
            layer.weight.div_(change)
        elif layer.bias is not None:
            layer.bias.mul_(change)
    inputs[layer] = size


def _all_layers(network: nn.Module) -> list[Layer]:
    return [cast(Layer, module) for module in network.modules() if isinstance(module, Layer)]


def _input_sizes(network: nn.Module, batch: Tensor, layers: list[Layer]) -> dict[Layer, float]:
    """The mean magnitude of each layer's input, in the order in which they run."""
    sizes: dict[Layer, float] = {}
    _run(network, batch, layers, before=lambda layer, x: sizes.update({layer: float(x.abs().mean())}))
    return sizes


def _rows(layer: Layer, y: Tensor) -> Tensor:
    """y with its channels last, [values of a channel, channels]."""
    return (y if isinstance(layer, nn.Linear) else y.movedim(1, -1)).flatten(0, -2)

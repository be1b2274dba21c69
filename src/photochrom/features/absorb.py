"""Batch norm folding: after training it is a scale and a shift per channel, which the preceding layer can
include.

Features are then what a plain network computes, ready for fine-tuning on batches too small for batch statistics, and
for rescaling (rescale.py): section 3.2 of the paper.
"""

from __future__ import annotations

import copy
from typing import cast

from torch import fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from ..training.filters import Layer
from .network_graph import graph_of, single_modules
from .trunk import Trunk


def absorb_batchnorm(network: nn.Module) -> nn.Module:
    """A copy of `network` in which each batch norm that follows a convolution or linear layer directly has become an
    Identity, and that layer has taken over its scale and shift, with a bias where it had none. The rest of the state
    dict keeps its names. In eval mode both compute the same but for rounding. Of a Trunk: in its whole network.

    Other batch norms stay: see kept_batchnorms. Such a one is that at the end of eccv16's blocks, which comes after a
    ReLU. Its scale could go into the following convolution, but not its shift: that convolution pads with zeros after
    the batch norm, so that along all borders the shift would come out wrong. Those without running statistics stay too,
    and those of which something else reads the input.

    Raises ModelError for a network that cannot be traced.
    """
    absorbed = copy.deepcopy(network)
    whole = absorbed.network if isinstance(absorbed, Trunk) else absorbed  # with what runs behind the stages
    modules = single_modules(whole, graph_of(whole))
    for node, norm in modules.items():
        before = node.args[0]
        if not (isinstance(norm, _BatchNorm) and isinstance(before, fx.Node) and before in modules):
            continue
        layer = modules[before]
        if not isinstance(layer, Layer) or norm.running_mean is None or len(before.users) > 1:
            continue
        if isinstance(layer, nn.ConvTranspose2d) and layer.groups > 1:  # PyTorch's fusion would mix the groups up
            continue
        _replace(whole, cast(str, before.target), _fused(layer, norm))
        _replace(whole, cast(str, node.target), nn.Identity())
    return absorbed


def kept_batchnorms(network: nn.Module) -> list[str]:
    """Names of the batch norms in `network`: of an absorbed one, those that stayed."""
    return [name for name, module in network.named_modules() if isinstance(module, _BatchNorm)]


def _fused(layer: Layer, norm: _BatchNorm) -> nn.Module:
    """The layer with its norm in it. In double precision, so that only the result is rounded."""
    training, kind = layer.training, layer.weight.dtype
    learns = layer.weight.requires_grad
    wide, wide_norm = copy.deepcopy(layer).double().eval(), copy.deepcopy(norm).double().eval()
    if isinstance(wide, nn.Linear):
        fused: nn.Module = fuse_linear_bn_eval(wide, wide_norm)
    else:
        fused = fuse_conv_bn_eval(wide, wide_norm, transpose=isinstance(wide, nn.ConvTranspose2d))  # type: ignore[type-var]
    return fused.to(kind).train(training).requires_grad_(learns)


def _replace(network: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, own = name.rpartition(".")
    setattr(network.get_submodule(parent), own, module)

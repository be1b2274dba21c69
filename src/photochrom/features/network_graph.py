"""The forward pass of a network as a graph of modules and functions (torch.fx)."""

from __future__ import annotations

import inspect
from collections import Counter
from typing import cast

from torch import fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..errors import ModelError
from ..training.filters import Layer


class _Tracer(fx.Tracer):
    """Does not look into layers and norms, subclasses with a forward pass of their own (SamePadConv) included."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, Layer | _BatchNorm) or super().is_leaf_module(m, module_qualified_name)


def graph_of(network: nn.Module) -> fx.Graph:
    """The forward pass of `network`, its optional arguments left out. Raises ModelError where it depends on values."""
    optional = {
        name: parameter.default
        for name, parameter in inspect.signature(network.forward).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }
    try:
        return _Tracer().trace(network, optional)
    except (fx.proxy.TraceError, TypeError, RuntimeError) as error:
        raise ModelError(
            f"{type(network).__name__}: its forward pass cannot be traced ({error}); expected one "
            "that does not depend on the photograph's values"
        ) from error


def single_modules(network: nn.Module, graph: fx.Graph) -> dict[fx.Node, nn.Module]:
    """The graph's calls of modules, but for those of a module that runs more than once."""
    calls = [node for node in graph.nodes if node.op == "call_module"]
    modules = {node: network.get_submodule(cast(str, node.target)) for node in calls}
    runs = Counter(id(module) for module in modules.values())  # two names may stand for one module
    return {node: module for node, module in modules.items() if runs[id(module)] == 1}

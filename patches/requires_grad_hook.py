"""requires_grad_() on a tensor that the graph creates is traced if no gradient can be lost."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, TypeVar

import torch
from torch._dynamo import exc
from torch._dynamo.variables.base import VariableTracker
from torch._dynamo.variables.tensor import TensorVariable

if TYPE_CHECKING:
    from torch._dynamo.output_graph import OutputGraph
    from torch._dynamo.symbolic_convert import InstructionTranslator

R = TypeVar("R")

_MARK = "compile_doctor_requires_grad"
"""Up to torch 2.11, a key in the `meta` of a node on which requires_grad_() was called."""


def method_requires_grad_(original: Callable[..., VariableTracker]) -> Callable[..., VariableTracker]:
    """Up to torch 2.11, which refuses at once: continues, and leaves the decision to the check at the end."""

    def for_a_tensor_of_the_graph(self: TensorVariable, *args: object, **named: object) -> VariableTracker:
        from torch._dynamo.symbolic_convert import InstructionTranslator  # loaded after the modules that are changed

        tx = InstructionTranslator.current_tx()
        node = self.as_proxy().node
        value = node.meta["example_value"]
        wanted = [one.as_python_constant() for one in (*args, *named.values()) if isinstance(one, VariableTracker)]
        # Without fullgraph=True the graph breaks here, which is correct for any use of it. The check sees one graph.
        ours = tx.one_graph and not tx.export and not self.source and node.graph is tx.output.root_tracer.graph
        if not ours or value.requires_grad or wanted not in ([], [True]):
            return original(self, *args, **named)
        value.requires_grad_()
        self.requires_grad = True
        node.meta[_MARK] = True
        return self

    return for_a_tensor_of_the_graph


def compile_and_call_fx_graph(original: Callable[..., R]) -> Callable[..., R]:
    """Up to torch 2.11: the check at the end."""

    def without_a_leak(self: OutputGraph, tx: InstructionTranslator, rv: list[VariableTracker], *rest: object) -> R:
        leaves = [node for node in self.graph.nodes if node.meta.pop(_MARK, False)]
        if leaves and _loses_gradients(self.graph, leaves, rv):
            raise exc.Unsupported(
                "Unsupported Tensor.requires_grad_() call: what the graph returns has its gradient from there alone"
            )
        return original(self, tx, rv, *rest)

    return without_a_leak


def check_outputs(
    original: Callable[[OutputGraph, list[VariableTracker], InstructionTranslator], None],
) -> Callable[[OutputGraph, list[VariableTracker], InstructionTranslator], None]:
    """From torch 2.12, which traces the call and refuses each output that comes from it."""

    def only_where_gradients_are_lost(self: OutputGraph, rv: list[VariableTracker], tx: InstructionTranslator) -> None:
        marked = [one for one in self.leaf_var_creation_order if isinstance(one, TensorVariable) and not one.source]
        leaves = [one.as_proxy().node for one in marked]
        if tx.export or not leaves or _loses_gradients(self.graph, leaves, rv):
            original(self, rv, tx)

    return only_where_gradients_are_lost


def _loses_gradients(
    graph: torch.fx.Graph, leaves: Collection[torch.fx.Node], outputs: Iterable[VariableTracker]
) -> bool:
    """Whether an output requires a gradient only because of a leaf: the compiled graph would return it without one."""
    leaves = set(leaves)
    derived: set[torch.fx.Node] = set()
    other: set[torch.fx.Node] = set()
    for node in graph.nodes:
        inputs = node.all_input_nodes
        comes_from_leaf = node in leaves or not derived.isdisjoint(inputs)
        has_other = node not in leaves and _requires_grad(node) and not (inputs and other.isdisjoint(inputs))
        # x.copy_(y) changes the node that x had before.
        changed = inputs[:1] if str(node.target).endswith("_") and node.op == "call_method" else []
        for one in (node, *changed):
            if comes_from_leaf:
                derived.add(one)
            if has_other:
                other.add(one)
    nodes = [one.as_proxy().node for one in outputs if isinstance(one, TensorVariable) and one.requires_grad]
    return any(node in derived and node not in other for node in nodes)


def _requires_grad(node: torch.fx.Node) -> bool:
    value = node.meta.get("example_value")
    values = value if isinstance(value, (tuple, list)) else (value,)
    return any(isinstance(one, torch.Tensor) and one.requires_grad for one in values)

"""The attention call in the graph that failed to compile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compile_doctor.analysis.attention.calls import place as place_of_call
from compile_doctor.model.attention import Graph
from compile_doctor.model.stacks import Frame

if TYPE_CHECKING:
    from compile_doctor.analysis.context import AnalysisContext


def failing_graph(seen: AnalysisContext) -> Graph | None:
    """The graph with attention in it that failed to compile."""
    graphs = (c.graph for c in reversed(seen.evidence.compilations) if c.guarded is not True)
    return next((graph for graph in graphs if graph and graph.attention), None)


def failing_attention(seen: AnalysisContext) -> Frame | None:
    """The line of the attention call in the graph that failed to compile, if that graph has exactly one such line."""
    graph = failing_graph(seen)
    if graph is None:
        return None
    root = seen.torch_root
    found = {place_of_call(node.stack, root) or place_of_call(graph.callers, root) for node in graph.attention}
    return found.pop() if len(found) == 1 else None

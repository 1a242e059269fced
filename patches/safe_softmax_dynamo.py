"""torch._safe_softmax goes into the graph as an operator."""

from __future__ import annotations

import torch
from torch._dynamo import decorators, trace_rules


class AllowInGraph:
    """torch.compiler.allow_in_graph, which can be reverted."""

    def __init__(self) -> None:
        self.function = torch._safe_softmax

    def present(self) -> bool:
        return id(self.function) in trace_rules._allowed_callable_ids

    def add(self) -> None:
        decorators.allow_in_graph(self.function)

    def remove(self) -> None:
        trace_rules._allowed_callable_ids.remove(id(self.function))

"""torch._safe_softmax goes into the graph as an operator."""

import torch
from torch._dynamo import decorators, trace_rules


class AllowInGraph:
    """torch.compiler.allow_in_graph, which can be reverted."""

    def __init__(self):
        self.function = torch._safe_softmax

    def present(self):
        return id(self.function) in trace_rules._allowed_callable_ids

    def add(self):
        decorators.allow_in_graph(self.function)

    def remove(self):
        trace_rules._allowed_callable_ids.remove(id(self.function))

"""Model compiled by a backend of the project, which finds an operator that it does not know.

Truth: the backend raises, with a message of three lines; the model is not to blame.
"""
# summary verdict=unhealthy exit=1
# option --as-is
# says CD106: The backend `fuse_linear` raised NotImplementedError: no pattern for relu
# says CD106: known: gelu, silu
# says CD106: The error is in the backend `fuse_linear`
# never CD106: torch.compiler.disable
import torch
from torch import nn


def fuse_linear(graph, example_inputs):
    if any("relu" in str(node.target) for node in graph.graph.nodes):
        raise NotImplementedError("no pattern for relu\n  the table is patterns.py\n  known: gelu, silu")  # expect CD106 backend
    return graph.forward


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(8, 8)

    def forward(self, x):
        return torch.relu(self.proj(x))


def build_model():
    return torch.compile(Block().eval(), backend=fuse_linear)


def example_inputs():
    return (torch.randn(4, 8),)

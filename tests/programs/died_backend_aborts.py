"""Autoencoder compiled by a vendor-like backend whose native code aborts the process.

Truth: eager survives; compiling kills the process with SIGABRT.
"""
# summary verdict=unhealthy exit=1
# option --as-is
# expect CD107 sigabrt
import os

import torch
from torch import nn


def vendor_backend(graph, inputs):
    operators = [node for node in graph.graph.nodes if node.op == "call_function"]
    if len(operators) >= 2:
        os.abort()
    return graph.forward


class AutoEncoder(nn.Module):
    def __init__(self, dim=8, code=2):
        super().__init__()
        self.encode, self.decode = nn.Linear(dim, code), nn.Linear(code, dim)

    def forward(self, x):
        code = torch.tanh(self.encode(x))
        return self.decode(code), code


def build_model():
    return torch.compile(AutoEncoder().eval(), backend=vendor_backend)


def example_inputs():
    return (torch.randn(3, 8),)

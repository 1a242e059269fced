"""Encoder and head share a decorator; a print between them makes each a frame of its own.

Truth: the decorator's wrapper is one code object for both, so its guard on the wrapped function fails once
(CD201, not CD204: no function is new). Seen in transformers' Llava.
"""

# summary graph_breaks=1 recompiles=1 verdict=unhealthy exit=1
import functools

import torch
from torch import nn


def cast_output(function):
    @functools.wraps(function)
    def wrapper(self, x):
        output = function(self, x)  # expect CD201 shared-wrapper
        return output.float()

    return wrapper


class Encoder(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.linear = nn.Linear(dim, dim)

    @cast_output
    def forward(self, x):
        y = self.linear(x)
        print("encoded", y.shape)  # expect CD101 print
        return y.relu()


class Head(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.linear = nn.Linear(dim, 2)

    @cast_output
    def forward(self, x):
        return self.linear(x)


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = torch.compile(Encoder(), backend="eager")
        self.head = torch.compile(Head(), backend="eager")

    @torch.compiler.disable(recursive=False)
    def forward(self, x):
        return self.head(self.encoder(x))


def build_model():
    return Tagger().eval()


def example_inputs():
    return (torch.randn(2, 5, 8),)

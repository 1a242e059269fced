"""A submodule that its author keeps out of graphs, as an object: torch.compiler.disable(module).

Truth: torch has another id for a disabled module than for a disabled function. It is the author's wish all the same.
"""
# summary graph_breaks=1 recompiles=0 graphs=2 frames_skipped=0 verdict=healthy exit=0
import torch
from torch import nn


class Tokenizer(nn.Module):
    def forward(self, x):
        return x.round()


class Speech(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.tokenizer = torch.compiler.disable(Tokenizer())
        self.encode = nn.Linear(dim, dim)
        self.decode = nn.Linear(dim, dim)

    def forward(self, x):
        codes = self.tokenizer(self.encode(x).tanh())  # expect CD101 disabled
        return self.decode(codes)


def build_model():
    return Speech().eval()


def example_inputs():
    return (torch.randn(2, 8),)

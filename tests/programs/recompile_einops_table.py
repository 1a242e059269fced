"""Tokens with a class token, by einops, which keeps a table of the types that it has met.

Truth: at the first call the table gains an entry for Parameter, after the compilation: one recompilation, by a table of
the package's own.
"""
# requires einops
# summary graph_breaks=0 recompiles=1 graphs=2 frames_skipped=0 exit=0
# says CD201 [>=2.13]: belongs to the package einops
# never CD201: A list is unrolled
import torch
from einops import rearrange, repeat


class Tokens(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.cls = torch.nn.Parameter(torch.zeros(8))
        self.lin = torch.nn.Linear(8, 8)

    def forward(self, x):  # expect CD201 einops-table [>=2.13]
        x = rearrange(x, "b (n d) -> b n d", d=8)
        return self.lin(x) + repeat(self.cls, "d -> b 1 d", b=2)


def build_model():
    return Tokens().eval()


def example_inputs():
    return (torch.randn(2, 16),)
# summary [<2.13] recompiles=0 graphs=1

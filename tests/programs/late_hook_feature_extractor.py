"""Script that warms a compiled model up, and then hooks two of its layers to collect features.

Truth: torch has no guard on hooks, and the graph of the first call does not call them: `features` stays empty.
"""
# command run
# summary graph_breaks=0 recompiles=0 graphs=1 verdict=healthy exit=0
# says CD108: forward hook of self.
import functools

import torch
from torch import nn


class Backbone(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.stem = nn.Linear(dim, dim)
        self.body = nn.Sequential(nn.Linear(dim, dim), nn.ReLU())

    def forward(self, x):
        return self.body(self.stem(x).relu())


features = {}


def keep(name, module, args, output):  # expect CD108 late
    features[name] = output


if __name__ == "__main__":
    backbone = Backbone().eval()
    fast = torch.compile(backbone, backend="eager")
    with torch.no_grad():
        fast(torch.randn(2, 8))
        for layer in ("stem", "body"):
            backbone.get_submodule(layer).register_forward_hook(functools.partial(keep, layer))
        fast(torch.randn(2, 8))

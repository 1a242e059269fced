"""Adapters patched on to the weights of a model whose blocks are compiled one by one (ComfyUI issue 9289).

Truth: the name of the adapter, a str attribute of a plain callable, differs from block to block: nine blocks, and the
limit is eight.
"""
# option --as-is
# summary graph_breaks=0 recompiles=7 graphs=8 exit=1
# says CD201: Decide once, in `__init__`
# never CD201: torch.tensor(
import torch
from torch import nn


class PatchedLinear(nn.Linear):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.weight_function = []

    def forward(self, x):
        weight = self.weight
        for function in self.weight_function:
            weight = function(weight)
        return nn.functional.linear(x, weight, self.bias)


class LowRank:
    def __init__(self, key, dim):
        self.key = key
        self.up, self.down = torch.randn(dim, 2), torch.randn(2, dim)

    def __call__(self, weight):
        if self.key.startswith("blocks"):  # expect CD201 str-attribute
            return weight + self.up @ self.down
        return weight


class Block(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.to_k = PatchedLinear(dim, dim)

    def forward(self, x):  # expect CD202 limit
        return x + self.to_k(x)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(Block(8) for _ in range(12))
        for number, block in enumerate(self.blocks):
            block.to_k.weight_function.append(LowRank(f"blocks.{number}.weight", 8))
            block.compile(backend="eager")

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x


def build_model():
    return Net().eval()


def example_inputs():
    return (torch.randn(2, 8),)

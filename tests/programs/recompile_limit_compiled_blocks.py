"""Adapters that are patched on to the layers of blocks which the model compiles in place, one by one.

Truth: a str attribute of the adapter differs from block to block, so that the one code object of the blocks reaches the
recompile limit. A torch.compile around the model would inline the blocks and hide that: the target runs as it is.
"""
# summary graph_breaks=0 recompiles=7 graphs=8 verdict=unhealthy exit=1
import torch
from torch import nn


class PatchedLinear(nn.Linear):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.patches = []

    def forward(self, x):
        weight = self.weight
        for patch in self.patches:
            weight = patch(weight)
        return nn.functional.linear(x, weight, self.bias)


class LowRank:
    def __init__(self, key, dim):
        self.key = key
        self.up = torch.randn(dim, 2)
        self.down = torch.randn(2, dim)

    def __call__(self, weight):
        if self.key.startswith("blocks"):  # expect CD201 key
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
            block.to_k.patches.append(LowRank(f"blocks.{number}.weight", 8))
            block.compile(backend="eager")

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x


def build_model():
    return Net()


def example_inputs():
    return (torch.randn(2, 8),)

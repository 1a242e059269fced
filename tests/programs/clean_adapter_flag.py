"""The adapters of recompile_adapter_name with its advice taken: what follows from the name is decided in `__init__`.

Truth: all blocks read the same bool, and share one graph.
"""
# option --as-is
# summary graph_breaks=0 recompiles=0 graphs=1 exit=0
import torch
from torch import nn


class LowRank:
    def __init__(self, key, dim):
        self.applies = key.startswith("blocks")
        self.up, self.down = torch.randn(dim, 2), torch.randn(2, dim)

    def __call__(self, weight):
        return weight + self.up @ self.down if self.applies else weight


class Block(nn.Module):
    def __init__(self, key, dim):
        super().__init__()
        self.to_k = nn.Linear(dim, dim)
        self.patch = LowRank(key, dim)

    def forward(self, x):
        return x + nn.functional.linear(x, self.patch(self.to_k.weight), self.to_k.bias)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(Block(f"blocks.{number}.weight", 8) for number in range(12))
        for block in self.blocks:
            block.compile(backend="eager")

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x


def build_model():
    return Net().eval()


def example_inputs():
    return (torch.randn(2, 8),)

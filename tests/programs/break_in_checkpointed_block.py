"""Block under activation checkpointing that rescales a large activation.

Truth: the branch breaks the graph, and a graph break cannot be inside of a checkpoint: torch calls checkpoint without
compiling anything, so that all of Block.forward runs in plain Python. The only graph holds the first layer.
"""
# summary graph_breaks=1 recompiles=0 graphs=1 frames_skipped=1 verdict=unhealthy exit=1
# says CD104: inside of checkpoint (line 34). A graph break
# says CD104: Block.forward and all that it calls run in plain Python
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


class Block(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.up = nn.Linear(dim, dim)
        self.down = nn.Linear(dim, dim)

    def forward(self, x):  # expect CD104 checkpointed
        h = self.up(x)
        if h.norm() > 100:  # expect CD102 branch
            h = h / h.norm()
        return self.down(h)


class Net(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.stem = nn.Linear(dim, dim)
        self.block = Block(dim)

    def forward(self, x):
        return checkpoint(self.block, self.stem(x), use_reentrant=False)


def build_model():
    return Net()


def example_inputs():
    return (torch.randn(2, 8),)

"""Model in DistributedDataParallel, compiled from outside, in a group of one process.

Truth: DDP keeps a few lines of its own forward out of graphs, on every torch. The model is one graph: nothing to fix.
"""
# expect CD101 of-ddp-itself
# summary graph_breaks=1 recompiles=0 graphs=1 frames_skipped=0 verdict=healthy exit=0
# says CD101: The module that it wraps is compiled.
# never CD101: allow_in_graph
import tempfile

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel


class Regressor(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 1)

    def forward(self, x):
        return self.head(self.norm(x)).tanh()


def build_model():
    if not dist.is_initialized():
        dist.init_process_group("gloo", init_method=f"file://{tempfile.mktemp()}", rank=0, world_size=1)
    return DistributedDataParallel(Regressor())


def example_inputs():
    return (torch.randn(4, 8),)

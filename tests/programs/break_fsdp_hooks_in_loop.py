"""Encoder that fully_shard was applied to layer by layer, compiled as a whole around the hooks.

Truth: FSDP's hook on the first layer breaks the graph inside the loop, on purpose, so that Dynamo leaves forward to plain
Python. The layers are compiled, each on its own. That is torch's design and not the program's mistake.
"""
# expect CD101 of-fsdp-itself
# summary graph_breaks=1 recompiles=0 frames_skipped=1 verdict=healthy exit=0
# says CD104: Compile each block before it is sharded
# says CD101: Compile each block before it is sharded
import tempfile

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard


class Layer(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.dense = nn.Linear(dim, dim)

    def forward(self, x):
        return x + self.dense(x).relu()


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(8, 8)
        self.layers = nn.ModuleList(Layer() for _ in range(2))

    def forward(self, x):  # expect CD104 around-the-hooks
        x = self.embed(x)
        for layer in self.layers:
            x = layer(x)
        return x


def build_model():
    if not dist.is_initialized():
        dist.init_process_group("gloo", init_method=f"file://{tempfile.mktemp()}", rank=0, world_size=1)
    mesh = init_device_mesh("cpu", (1,))
    encoder = Encoder()
    for layer in encoder.layers:
        fully_shard(layer, mesh=mesh)
    return encoder


def example_inputs():
    return (torch.randn(2, 8),)

"""Stack of layers under fully_shard, compiled as a whole, in a group of one process.

Truth: FSDP's hooks on the outermost module run outside of graphs, and so does everything below them: nothing is compiled.
Compiled layer by layer before fully_shard, each layer is a graph.
"""
# expect CD105 hooks-around-all
# expect CD101 of-fsdp-itself
# summary graph_breaks=1 recompiles=0 graphs=0 exit=3
# says CD105: block.compile() fully_shard(block)
# says CD101: Compile each block before it is sharded
# never CD105: TORCHDYNAMO_DISABLE
import tempfile

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard


def build_model():
    if not dist.is_initialized():
        dist.init_process_group("gloo", init_method=f"file://{tempfile.mktemp()}", rank=0, world_size=1)
    mesh = init_device_mesh("cpu", (1,))
    model = nn.Sequential(*[nn.Linear(8, 8) for _ in range(3)])
    for layer in model:
        fully_shard(layer, mesh=mesh)
    return fully_shard(model, mesh=mesh)


def example_inputs():
    return (torch.randn(2, 8),)

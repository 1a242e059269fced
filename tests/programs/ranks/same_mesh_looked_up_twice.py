# says CD201: were one object, now they are two
# says CD201: Make the object once
# never CD201: two arguments
# summary verdict=healthy exit=0
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

dist.init_process_group("gloo")
mesh = init_device_mesh("cpu", (1, 2), mesh_dim_names=("dp", "tp"))
torch.manual_seed(0)


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = torch.nn.Linear(8, 16), torch.nn.Linear(16, 8)

    def forward(self, x):
        return self.b(self.a(x).relu())  # expect CD201 0, 1


first, second = Block(), Block()
tensor = mesh["tp"]
parallelize_module(first, tensor, {"a": ColwiseParallel(), "b": RowwiseParallel()})
parallelize_module(second, mesh["tp"], {"a": ColwiseParallel()})
parallelize_module(second, mesh["tp"], {"b": RowwiseParallel()})
with torch.no_grad():
    for block in (first, second):
        block.compile(backend="eager")
        block(torch.ones(4, 8))

dist.barrier()
dist.destroy_process_group()

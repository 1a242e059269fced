# option --ranks 3
# summary verdict=healthy exit=0
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Replicate
from torch.distributed.tensor.parallel import ColwiseParallel, parallelize_module

dist.init_process_group("gloo")
torch.manual_seed(0)


class Head(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = torch.nn.LayerNorm(8)
        self.words = torch.nn.Linear(8, 10, bias=False)

    def forward(self, x):
        return self.words(self.norm(x))


mesh = init_device_mesh("cpu", (3,), mesh_dim_names=("tp",))
model = parallelize_module(Head(), mesh, {"words": ColwiseParallel(output_layouts=Replicate())})
compiled = torch.compile(model, backend="aot_eager")
for _ in range(2):
    compiled(torch.ones(2, 8)).sum().backward()

dist.barrier()
dist.destroy_process_group()

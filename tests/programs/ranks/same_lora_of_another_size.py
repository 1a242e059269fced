# expect CD101 0-2
# option --ranks 3
# summary verdict=healthy exit=0
import torch, torch.nn as nn, torch.distributed as dist
from torch.distributed.fsdp import fully_shard
from torch.distributed.device_mesh import init_device_mesh
class Lora(nn.Module):
    def __init__(self, d, r):
        super().__init__()
        self.base = nn.Linear(d, d)
        self.a, self.b = nn.Parameter(torch.randn(d, r) * .01), nn.Parameter(torch.zeros(r, d))
    def forward(self, x):  # expect CD201 0-2
        return self.base(x) + x @ self.a @ self.b
dist.init_process_group("gloo")
rank = dist.get_rank()
mesh = init_device_mesh("cpu", (dist.get_world_size(),), mesh_dim_names=("dp",))
torch.manual_seed(0)
layers = nn.ModuleList([Lora(16, 8 if rank == 2 else 4) for _ in range(2)])
for layer in layers:
    layer.compile(backend="aot_eager")
    fully_shard(layer.base, mesh=mesh)
x = torch.randn(4, 16)
for step in range(2):
    y = x
    for layer in layers:
        y = layer(y)
    y.square().mean().backward()
dist.barrier(); dist.destroy_process_group()

# expect CD105 0, 1
# expect CD101 0, 1
# says CD105: Compile each block before it is sharded
# summary verdict=inconclusive exit=3
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

dist.init_process_group("gloo")
mesh = init_device_mesh("cpu", (2,))
torch.manual_seed(0)
model = torch.nn.Sequential(*[torch.nn.Linear(8, 8) for _ in range(4)])
for layer in model:
    fully_shard(layer, mesh=mesh)
fully_shard(model, mesh=mesh)
compiled = torch.compile(model, backend="eager")
for _ in range(3):
    compiled(torch.randn(2, 8)).sum().backward()
dist.barrier()
dist.destroy_process_group()

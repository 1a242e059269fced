# summary verdict=healthy exit=0
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(8, 8)

    def forward(self, x):  # expect CD201 0, 1
        return self.net(x).relu()


mesh = init_device_mesh("cpu", (2,))
policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
model = torch.nn.Sequential(*[Block() for _ in range(2)])
for block in model:
    block.compile(backend="aot_eager")
    fully_shard(block, mesh=mesh, mp_policy=policy)
fully_shard(model, mesh=mesh, mp_policy=policy)
for _ in range(2):
    model(torch.randn(2, 8)).sum().backward()

dist.barrier()
dist.destroy_process_group()

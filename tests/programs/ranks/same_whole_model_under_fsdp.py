# expect CD101 0, 1
# says CD104: Compile each block before it is sharded
# summary verdict=healthy exit=0
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(8, 8)

    def forward(self, x):  # expect CD201 0, 1
        return self.net(x).relu()


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = torch.nn.ModuleList(Block() for _ in range(2))

    def forward(self, x):  # expect CD104 0, 1
        for block in self.blocks:
            x = block(x)
        return x.sum()


dist.init_process_group("gloo")
mesh = init_device_mesh("cpu", (2,))
torch.manual_seed(0)
model = Model()
for block in model.blocks:
    fully_shard(block, mesh=mesh)
fully_shard(model, mesh=mesh)
model.compile(backend="aot_eager")
for _ in range(3):
    model(torch.randn(2, 8)).backward()
dist.barrier()
dist.destroy_process_group()

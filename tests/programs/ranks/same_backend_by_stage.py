# option --ranks 4
# summary verdict=healthy exit=0
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(8, 8)

    def forward(self, x):
        return self.net(x).relu()


mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("pp", "dp"))
first = mesh.get_local_rank("pp") == 0
block = Block()
block.compile(backend="eager" if first else "aot_eager", dynamic=None if first else False)
block(torch.ones(2, 8))

dist.barrier()
dist.destroy_process_group()

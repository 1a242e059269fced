# summary verdict=healthy exit=0
import torch, torch.nn as nn, torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Replicate
from torch.distributed.tensor.parallel import parallelize_module, ColwiseParallel, RowwiseParallel
dist.init_process_group("gloo")
mesh = init_device_mesh("cpu", (2,), mesh_dim_names=("tp",))
torch.manual_seed(0)
class LM(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear(16, 32), nn.Linear(32, 16)
        self.head = nn.Linear(16, 101, bias=False)
    def forward(self, x):
        return self.head(x + self.down(torch.relu(self.up(x))))
model = LM()
parallelize_module(model, mesh, {"up": ColwiseParallel(), "down": RowwiseParallel(), "head": ColwiseParallel(output_layouts=Replicate())})
model = torch.compile(model, backend="aot_eager")
for _ in range(2):
    out = model(torch.randn(2, 8, 16))
    out.logsumexp(-1).mean().backward()
dist.barrier(); dist.destroy_process_group()

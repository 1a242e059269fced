# expect CD101 0, 1
# expect CD101 0, 1
# summary verdict=healthy exit=0
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(8, 8)

    def forward(self, x):
        return self.net(x).relu()


model = Block()
model = torch.compile(DistributedDataParallel(model), backend="aot_eager")
for _ in range(3):
    model(torch.randn(2, 8)).sum().backward()

dist.barrier()
dist.destroy_process_group()

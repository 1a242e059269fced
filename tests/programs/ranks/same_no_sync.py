# summary verdict=healthy exit=0
import contextlib

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

dist.init_process_group("gloo")
torch.manual_seed(0)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(8, 8)

    def forward(self, x):
        return self.layer(x).square().mean()


model = DistributedDataParallel(torch.compile(Net(), backend="aot_eager"))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(4):
    last = step % 2 == 1
    with contextlib.nullcontext() if last else model.no_sync():
        model(torch.randn(4, 8)).backward()
    if last:
        optimizer.step()
        optimizer.zero_grad()

dist.barrier()
dist.destroy_process_group()

# summary verdict=unhealthy exit=1
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(8, 8)

    def forward(self, x):  # expect CD201 1; expect CD803 1
        loss = self.net(x).square().mean()
        if rank == 1:
            print("loss", loss.item())  # expect CD101 1; expect CD801 1
        return loss


model = DistributedDataParallel(torch.compile(Model(), backend="aot_eager"))
for step in range(4):
    length = 32 if rank == 0 else 32 + 4 * step
    model(torch.randn(length, 8)).backward()
dist.barrier()
dist.destroy_process_group()

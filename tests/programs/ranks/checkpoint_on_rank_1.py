# summary verdict=healthy exit=0
import torch
import torch.distributed as dist
from torch.utils.checkpoint import checkpoint

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)


class Net(torch.nn.Module):
    def __init__(self, save_memory):
        super().__init__()
        self.block = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU())
        self.head = torch.nn.Linear(8, 2)
        self.save_memory = save_memory

    def forward(self, x):
        if self.save_memory:
            x = checkpoint(self.block, x, use_reentrant=False)  # expect CD801 1
        else:
            x = self.block(x)
        return self.head(x).mean()


model = torch.compile(Net(save_memory=rank == 1), backend="aot_eager")
for _ in range(2):
    model(torch.randn(4, 8)).backward()

dist.barrier()
dist.destroy_process_group()

# summary verdict=healthy exit=0
import torch
import torch.distributed as dist
from torch.utils.checkpoint import checkpoint

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(8, 8)

    def forward(self, x):
        return checkpoint(self.net, x, use_reentrant=False).sum()


model = torch.compile(Model(), backend="aot_eager")
model(torch.ones(2, 8)).backward()

dist.barrier()
dist.destroy_process_group()

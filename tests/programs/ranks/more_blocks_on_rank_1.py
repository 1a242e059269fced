# summary verdict=healthy exit=0
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
class Head(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.out = torch.nn.Linear(8, 2)

    def forward(self, x):  # expect CD801 1
        return self.out(x)


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(8, 8)

    def forward(self, x):
        return self.net(x).relu()


blocks = [Block(), Head()] if rank == 1 else [Block()]
x = torch.ones(2, 8)
for block in blocks:
    x = torch.compile(block, backend="eager")(x)

dist.barrier()
dist.destroy_process_group()

# summary verdict=healthy exit=0
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)


class Net(torch.nn.Module):
    def __init__(self, bias):
        super().__init__()
        self.layer = torch.nn.Linear(8, 8, bias=bias)

    def forward(self, x):
        return self.layer(x).relu().mean()  # expect CD801 1


model = torch.compile(Net(bias=rank == 0), backend="aot_eager")
for _ in range(2):
    model(torch.randn(4, 8)).backward()

dist.barrier()
dist.destroy_process_group()

# option --ranks 3
# summary verdict=healthy exit=0
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)


class Net(torch.nn.Module):
    def __init__(self, names):
        super().__init__()
        self.layers = torch.nn.ModuleDict({name: torch.nn.Linear(8, 8) for name in names})

    def forward(self, x):
        for layer in self.layers.values():
            x = layer(x).relu()  # expect CD801 2
        return x.mean()


names = ["first", "second"]
if rank == 2:
    names.reverse()  # as if read from a set
model = torch.compile(Net(names), backend="aot_eager")
for _ in range(2):
    model(torch.randn(4, 8)).backward()

dist.barrier()
dist.destroy_process_group()

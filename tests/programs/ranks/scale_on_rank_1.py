# summary verdict=healthy exit=0
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)


class Net(torch.nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.layers = torch.nn.ModuleList(torch.nn.Linear(8, 8) for _ in range(layers))
        self.scale = 1.0

    def forward(self, x):
        for layer in self.layers:
            x = layer(x).relu()
        return x.mean() * self.scale  # expect CD201 1; expect CD803 1


model = Net(2)
compiled = torch.compile(model, backend="aot_eager")
for step in range(3):
    if rank == 1 and step == 1:
        model.scale = 0.5  # a schedule that only this rank has
    compiled(torch.randn(4, 8)).backward()

dist.barrier()
dist.destroy_process_group()

# summary verdict=healthy exit=0
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(1000 + rank)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(8, 8)
        self.drop = torch.nn.Dropout(0.2)
        self.register_buffer("offset", torch.full((8,), float(rank)))
        self.name = f"worker-{rank}"

    def forward(self, x):
        return self.drop(self.layer(x) + self.offset).mean()


model = torch.compile(Net(), backend="aot_eager")
for _ in range(3):
    model(torch.randn(4, 8)).backward()
if rank == 0:
    print("saved by", model.name)

dist.barrier()
dist.destroy_process_group()

# summary verdict=healthy exit=0
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(8, 8)

    def forward(self, x):  # expect CD201 0, 1
        return self.layer(x).relu().mean()


samples = torch.randn([11, 10][rank], 8)
model = torch.compile(Net(), backend="aot_eager")
for batch in samples.split(4):
    model(batch).backward()

dist.barrier()
dist.destroy_process_group()

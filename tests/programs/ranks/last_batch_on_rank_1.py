# summary verdict=healthy exit=0
import torch
import torch.distributed as dist
from torch.utils.data import DataLoader, TensorDataset

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(8, 8)

    def forward(self, x):  # expect CD201 1; expect CD803 1
        return self.layer(x).relu().mean()


mine = TensorDataset(torch.randn([12, 10][rank], 8))
model = torch.compile(Net(), backend="aot_eager")
for (batch,) in DataLoader(mine, batch_size=4):
    loss = model(batch)
    loss.backward()
    dist.all_reduce(loss.detach())

dist.barrier()
dist.destroy_process_group()

# option --ranks 3
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
        self.drop = torch.nn.Dropout(0.1)

    def forward(self, x):
        return self.drop(self.layer(x)).square().mean()  # expect CD801 2


def validate(model):
    model.eval()
    return float(model.layer(torch.ones(2, 8)).sum())  # forgets model.train()


model = Net()
if rank == 2:
    validate(model)
compiled = torch.compile(model, backend="aot_eager")
for _ in range(2):
    compiled(torch.randn(4, 8)).backward()

dist.barrier()
dist.destroy_process_group()
# says CD801: dropout(linear, 0.1, False, False)` on rank 2

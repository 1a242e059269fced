# option --ranks 3
# says CD801: Rank 0 breaks the graph here
# summary verdict=unhealthy exit=1
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
class Step(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(4, 4)

    def forward(self, x):
        loss = self.net(x).square().mean()
        if rank == 0:
            print("loss", loss.item())  # expect CD101 0; expect CD801 0
        return loss


model = torch.compile(Step(), backend="eager")
for _ in range(2):
    model(torch.ones(2, 4)).backward()

dist.barrier()
dist.destroy_process_group()

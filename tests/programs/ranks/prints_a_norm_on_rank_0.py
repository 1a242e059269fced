# summary verdict=unhealthy exit=1
import torch, torch.nn as nn, torch.distributed as dist
class Trainer(nn.Module):
    def __init__(self, rank):
        super().__init__()
        self.rank = rank; self.net = nn.Linear(8, 8)
    def log_norm(self, h):
        if self.rank == 0:
            print(f"norm {h.norm().item():.3f}")  # expect CD101 0; expect CD801 0
    def forward(self, x):
        h = self.net(x)
        self.log_norm(h)
        return h.relu().sum()
dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
t = torch.compile(Trainer(rank), backend="aot_eager")
for _ in range(2):
    t(torch.randn(4, 8)).backward()
dist.barrier(); dist.destroy_process_group()

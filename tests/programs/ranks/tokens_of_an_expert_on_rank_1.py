# summary verdict=healthy exit=0
import torch, torch.nn as nn, torch.distributed as dist
class Expert(nn.Module):
    def __init__(self):
        super().__init__(); self.w1 = nn.Linear(8, 16); self.w2 = nn.Linear(16, 8)
    def forward(self, tokens):  # expect CD201 1; expect CD803 1
        return self.w2(nn.functional.silu(self.w1(tokens)))
dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
expert = Expert(); expert.compile(backend="aot_eager")
counts = [(4, 3), (4, 5), (4, 7)]
for per_rank in counts:
    n = per_rank[rank]
    got = expert(torch.randn(n, 8))
    total = torch.zeros(1); total += n
    dist.all_reduce(total)
dist.barrier(); dist.destroy_process_group()

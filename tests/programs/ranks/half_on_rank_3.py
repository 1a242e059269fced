# option --ranks 4
# summary verdict=healthy exit=0
import torch, torch.nn as nn, torch.distributed as dist
class Net(nn.Module):
    def __init__(self):
        super().__init__(); self.qkv = nn.Linear(16, 48); self.out = nn.Linear(16, 16)
    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, -1)  # expect CD801 3
        return self.out(nn.functional.scaled_dot_product_attention(q, k, v))
def best_dtype(rank):
    return torch.float16 if rank == 3 else torch.bfloat16
dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
net = torch.compile(Net().to(best_dtype(rank)), backend="aot_eager")
with torch.no_grad():
    net(torch.randn(2, 4, 16, dtype=best_dtype(rank)))
dist.barrier(); dist.destroy_process_group()

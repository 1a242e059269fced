# summary verdict=healthy exit=0
import torch, torch.nn as nn, torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel as DDP
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.l1 = nn.Linear(8, 16); self.drop = nn.Dropout(0.1); self.l2 = nn.Linear(16, 2)
    def forward(self, x):  # expect CD206 0; expect CD803 0
        return self.l2(self.drop(self.l1(x).relu()))
def is_main_process():
    return dist.get_rank() == 0
dist.init_process_group("gloo")
torch.manual_seed(0)
net = Net()
net.compile(backend="aot_eager")
ddp = DDP(net)
opt = torch.optim.AdamW(ddp.parameters(), 1e-3)
for step in range(4):
    ddp(torch.randn(4, 8)).sum().backward()
    opt.step(); opt.zero_grad()
    if step % 2 == 1 and is_main_process():
        net.eval()
        with torch.no_grad():
            net(torch.randn(4, 8))
        net.train()
    dist.barrier()
dist.destroy_process_group()

# summary verdict=healthy exit=0
import torch, torch.nn as nn, torch.distributed as dist
CONFIGS = {"node-a": dict(backend="aot_eager"), "node-b": dict(backend="eager", fullgraph=True)}
def build(name):
    net = nn.Sequential(nn.Linear(8, 8), nn.GELU(), nn.Linear(8, 8))
    return torch.compile(net, **CONFIGS[name])  # expect CD804 1
dist.init_process_group("gloo")
rank = dist.get_rank()
net = build("node-b" if rank == 1 else "node-a")
net(torch.randn(2, 8)).sum().backward()
dist.barrier(); dist.destroy_process_group()

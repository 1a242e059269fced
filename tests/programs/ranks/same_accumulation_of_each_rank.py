# summary verdict=healthy exit=0
import os, torch, torch.nn as nn, torch.distributed as dist
dist.init_process_group("gloo")
rank = dist.get_rank()
accum = 4 if rank == 1 else 2
torch.manual_seed(0)
model = nn.Linear(8, 1)
@torch.compile(backend="aot_eager")
def micro_step(x, y):
    loss = nn.functional.mse_loss(model(x), y) / accum
    return loss
for step in range(2):
    for i in range(accum):
        micro_step(torch.randn(4, 8), torch.randn(4, 1)).backward()
    for p in model.parameters():
        dist.all_reduce(p.grad)
    model.zero_grad()
dist.destroy_process_group()

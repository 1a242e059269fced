# option --timeout 45
# summary verdict=inconclusive exit=3
import torch, torch.nn as nn, torch.distributed as dist
@torch.compile(backend="aot_eager")
def loss_of(w, x):
    return (x @ w).square().mean()
def train(rank):
    w = torch.ones(4, requires_grad=True)
    best, patience = 1e9, 0
    for epoch in range(10):
        x = torch.ones(3, 4) * (1 if rank == 0 else epoch + 1)
        loss = loss_of(w, x)
        loss.backward()
        patience = 0 if loss.item() < best else patience + 1
        best = min(best, loss.item())
        if rank == 1 and patience > 2:
            return
        dist.all_reduce(loss.detach())  # expect CD807 0, 1
def finish():
    dist.broadcast(torch.zeros(1), 0)
    dist.broadcast(torch.zeros(1000), 1)
dist.init_process_group("gloo")
rank = dist.get_rank()
train(rank)
if rank == 1:
    import time; time.sleep(600)
finish()

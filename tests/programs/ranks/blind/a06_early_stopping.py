# TRUTH: rank 1 leaves the loop early by its own loss (break in python, outside of the graph) and never calls the last all_reduce of `metrics` -> the others hang in a collective outside of graphs. With --timeout: CD807 with rank 0 at the all_reduce in train(), rank 1 in barrier at the end. verdict inconclusive
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
        dist.all_reduce(loss.detach())
def finish():
    dist.broadcast(torch.zeros(1), 0)
    dist.broadcast(torch.zeros(1000), 1)
dist.init_process_group("gloo")
rank = dist.get_rank()
train(rank)
if rank == 1:
    import time; time.sleep(600)
finish()

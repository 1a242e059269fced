# summary verdict=healthy exit=0
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
@torch.compile(backend="eager")
def f(x):
    return x.square().sum()


@torch.compile(backend="eager")
def g(x):  # expect CD801 1
    return x.abs().sum()


for each in (g, f) if rank == 1 else (f, g):
    each(torch.ones(3))

dist.barrier()
dist.destroy_process_group()

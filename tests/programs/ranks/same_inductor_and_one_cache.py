# summary verdict=healthy exit=0
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
@torch.compile
def f(x):
    return x.sin() + 1


if rank == 1:
    dist.barrier()  # rank 0 has filled the cache by then
f(torch.ones(3))
if rank == 0:
    dist.barrier()

dist.barrier()
dist.destroy_process_group()

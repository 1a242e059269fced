# summary verdict=healthy exit=0
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
@torch.compile(backend="eager")
def f(x):
    if rank == 1:  # expect CD801 1
        return x.relu() + 1
    return x.sigmoid()


f(torch.ones(3))

dist.barrier()
dist.destroy_process_group()

# option --timeout 45
# summary verdict=inconclusive exit=3
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
@torch.compile(backend="eager")  # expect CD807 0, 1
def f(x):
    y = x * 2
    if rank == 0:  # expect CD801 1
        dist.all_reduce(y)  # expect CD802 0
    return y + 1


f(torch.ones(3))
dist.barrier()
dist.destroy_process_group()

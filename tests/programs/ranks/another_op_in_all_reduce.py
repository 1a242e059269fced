# summary verdict=unhealthy exit=1
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
@torch.compile(backend="eager")
def f(x):
    y = x * 2
    if rank == 1:  # expect CD801 1
        dist.all_reduce(y, op=dist.ReduceOp.MAX)
    else:
        dist.all_reduce(y)  # expect CD802 1
    return y + 1


f(torch.ones(3))

dist.barrier()
dist.destroy_process_group()

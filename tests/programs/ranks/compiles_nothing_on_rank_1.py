# expect CD105 1
# summary verdict=inconclusive exit=3
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
def f(x):  # expect CD801 0
    return x + 1


if rank == 0:
    f = torch.compile(f, backend="eager")
f(torch.ones(3))

dist.barrier()
dist.destroy_process_group()

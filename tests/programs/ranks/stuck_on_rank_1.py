# option --timeout 45
# summary verdict=inconclusive exit=3
import time
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
@torch.compile(backend="eager")
def f(x):
    return x + 1


f(torch.ones(3))
if rank == 1:
    time.sleep(600)  # says CD807: Rank 1 was at
dist.barrier()  # expect CD807 0, 1

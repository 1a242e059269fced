# expect CD806 1
# says CD806: it was ended by SIGKILL
import os
import signal
# summary verdict=inconclusive exit=3
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
    os.kill(os.getpid(), signal.SIGKILL)
dist.barrier()

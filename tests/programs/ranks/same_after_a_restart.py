# option --standalone 1 --restarts 1
# summary verdict=healthy exit=0
import os

import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()


@torch.compile(backend="eager")
def f(x):
    return x + 1


f(torch.ones(3))
if rank == 1 and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
    raise RuntimeError("the first attempt fails")
dist.barrier()
dist.destroy_process_group()

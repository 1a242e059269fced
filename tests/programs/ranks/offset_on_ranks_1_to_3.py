# option --ranks 4
# summary verdict=healthy exit=0
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)


@torch.compile(backend="eager")
def place(x, offset):
    return x.relu() + offset  # expect CD201 1-3; expect CD803 1-3


for step in range(3):
    place(torch.ones(4), rank * step)

dist.barrier()
dist.destroy_process_group()

# summary verdict=healthy exit=0
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
@torch.compile(backend="eager")
def f(x):  # expect CD201 0, 1
    return x.square().sum()


for length in (8, 12, 16):
    f(torch.ones(2, length))

dist.barrier()
dist.destroy_process_group()

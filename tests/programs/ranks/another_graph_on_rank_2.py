# option --ranks 3
# summary verdict=healthy exit=0
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
@torch.compile(backend="eager")
def f(x, scales):
    for scale in scales:
        x = x * scale  # expect CD801 2
    return x


f(torch.ones(3), [torch.ones(3)] * (2 if rank == 2 else 1))

dist.barrier()
dist.destroy_process_group()

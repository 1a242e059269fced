# summary verdict=healthy exit=0
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
@torch.compile(backend="eager")
def f(x):  # expect CD201 1; expect CD803 1
    return x.square().sum()


f(torch.ones(4))
f(torch.ones(4, dtype=torch.bfloat16 if rank == 1 else torch.float32))

dist.barrier()
dist.destroy_process_group()

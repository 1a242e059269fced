# summary verdict=healthy exit=0
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
@torch.compile(backend="aot_eager")
def f(x):
    y = x * 2
    dist.all_reduce(y)
    return y + 1


f(torch.ones(3))
f(torch.ones(3))

dist.barrier()
dist.destroy_process_group()

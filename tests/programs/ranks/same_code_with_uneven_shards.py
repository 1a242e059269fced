# summary verdict=healthy exit=0
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
@torch.compile(backend="aot_eager")
def f(x):
    return x.square().sum()


for _ in range(2):
    f(torch.ones(5 - rank, 4))

dist.barrier()
dist.destroy_process_group()

# summary verdict=unhealthy exit=1
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
@torch.compile(backend="eager")
def f(x):
    y = x + 1
    print("on all")  # expect CD101 0, 1
    return y * 2


f(torch.ones(3))

dist.barrier()
dist.destroy_process_group()

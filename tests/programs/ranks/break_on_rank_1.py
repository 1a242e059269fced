# summary verdict=unhealthy exit=1
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
@torch.compile(backend="eager")
def f(x):
    if rank == 1:
        print("only here")  # expect CD101 1; expect CD801 1
    return x + 1


f(torch.randn(2))

dist.barrier()
dist.destroy_process_group()

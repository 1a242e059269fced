# summary verdict=unhealthy exit=1
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
@torch.compile(backend="eager")
def f(x, name):  # expect CD202 1
    return x * len(name)  # expect CD201 1; expect CD803 1


for step in range(11):
    f(torch.ones(3), "s" * (step + 1 if rank == 1 else 1))

dist.barrier()
dist.destroy_process_group()

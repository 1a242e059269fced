# option --ranks 4
# summary verdict=healthy exit=0
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
@torch.compile(backend="eager")
def f(x):
    return x.square().sum()


for step in range(3):
    loss = f(torch.ones(3))
    if rank == 0:
        print(step, loss.item(), flush=True)

dist.barrier()
dist.destroy_process_group()

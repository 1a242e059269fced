# says CD804: dynamic: None on rank 0; True on rank 1
# summary verdict=healthy exit=0
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
def f(x):  # expect CD201 0; expect CD803 0
    return x.square().sum()


f = torch.compile(f, backend="eager", dynamic=True if rank == 1 else None)  # expect CD804 1
for length in (8, 12, 16):
    f(torch.ones(2, length))

dist.barrier()
dist.destroy_process_group()

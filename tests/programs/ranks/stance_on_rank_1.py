# summary verdict=healthy exit=0
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)


@torch.compile(backend="eager")
def f(x):  # expect CD201 0; expect CD803 0
    return x.square().sum()


f(torch.ones(4))
if rank == 1:
    torch.compiler.set_stance("force_eager")
f(torch.ones(6))

dist.barrier()
dist.destroy_process_group()

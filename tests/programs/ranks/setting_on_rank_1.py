# expect CD804 1
# says CD804: torch._dynamo.config.recompile_limit: 8 on rank 0; 4 on rank 1
# summary verdict=healthy exit=0
import torch
import torch.distributed as dist
import torch._dynamo

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
if rank == 1:
    torch._dynamo.config.recompile_limit = 4


@torch.compile(backend="eager")
def f(x):
    return x + 1


f(torch.ones(3))

dist.barrier()
dist.destroy_process_group()

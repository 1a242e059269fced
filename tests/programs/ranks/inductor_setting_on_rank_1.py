# expect CD804 1
# says CD804: torch._inductor.config.max_fusion_size
# summary verdict=healthy exit=0
import torch
import torch.distributed as dist
import torch._inductor.config

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
if rank == 1:
    torch._inductor.config.max_fusion_size = 8


@torch.compile
def f(x):
    return x.sin() + 1


f(torch.ones(3))

dist.barrier()
dist.destroy_process_group()

# summary verdict=unhealthy exit=1
import torch, torch.distributed as dist
import torch.distributed._functional_collectives as fc
@torch.compile(backend="aot_eager")
def clip(g, sync):
    total = g.square().sum()
    if sync:  # expect CD201 1; expect CD803 1
        total = fc.all_reduce(total, "sum", dist.group.WORLD)  # expect CD802 0
    return g / (total.sqrt() + 1e-6)  # expect CD801 1
dist.init_process_group("gloo")
rank = dist.get_rank()
if rank == 1:
    clip(torch.ones(8), False); clip(torch.ones(8), True)
else:
    clip(torch.ones(8), True)
dist.barrier(); dist.destroy_process_group()

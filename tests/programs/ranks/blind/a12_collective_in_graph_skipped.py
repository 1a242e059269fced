# TRUTH: global grad norm all_reduce in compiled clip(): rank 1 passes sync=False -> its graph has no all_reduce: hang danger. CD802 error, clip, rank 1 (with the line of all_reduce, 8)
import torch, torch.distributed as dist
import torch.distributed._functional_collectives as fc
@torch.compile(backend="aot_eager")
def clip(g, sync):
    total = g.square().sum()
    if sync:
        total = fc.all_reduce(total, "sum", dist.group.WORLD)
    return g / (total.sqrt() + 1e-6)
dist.init_process_group("gloo")
rank = dist.get_rank()
if rank == 1:
    clip(torch.ones(8), False); clip(torch.ones(8), True)
else:
    clip(torch.ones(8), True)
dist.barrier(); dist.destroy_process_group()

# summary verdict=healthy exit=0
import torch
import torch.distributed as dist
import torch.distributed._functional_collectives as funcol

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
@torch.compile(backend="aot_eager")
def f(x):
    y = funcol.all_gather_tensor(x, 0, dist.group.WORLD)
    return funcol.reduce_scatter_tensor(y * 2, "sum", 0, dist.group.WORLD)


f(torch.ones(4))

dist.barrier()
dist.destroy_process_group()

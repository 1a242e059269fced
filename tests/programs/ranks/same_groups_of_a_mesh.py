# option --ranks 4
# summary verdict=healthy exit=0
import torch
import torch.distributed as dist
import torch.distributed._functional_collectives as funcol
from torch.distributed.device_mesh import init_device_mesh

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("dp", "tp"))


@torch.compile(backend="aot_eager")
def f(x):
    y = funcol.all_reduce(x * 2, "sum", mesh["tp"].get_group())
    return funcol.all_reduce(y, "sum", mesh["dp"].get_group())


f(torch.ones(4))

dist.barrier()
dist.destroy_process_group()

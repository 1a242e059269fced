# option --ranks 4
# summary verdict=healthy exit=0
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("dp", "tp"))
tensor, data = mesh.get_group("tp"), mesh.get_group("dp")
if rank == 3:
    data = tensor  # a slip


@torch.compile(backend="eager")
def reduce(x):
    y = x * 2
    dist.all_reduce(y, group=tensor)
    z = y.square()
    dist.all_reduce(z, group=data)  # expect CD802 3
    return z + 1


try:
    reduce(torch.ones(3))
except RuntimeError as error:
    print("caught", error)

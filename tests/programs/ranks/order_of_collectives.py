# option --timeout 45
# summary verdict=inconclusive exit=3
import torch
import torch.distributed as dist
import torch.distributed._functional_collectives as funcol

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
def reduce(x):
    return funcol.all_reduce(x, "sum", dist.group.WORLD)  # expect CD802 1


def gather(x):
    return funcol.all_gather_tensor(x, 0, dist.group.WORLD)


@torch.compile(backend="aot_eager")  # expect CD807 0, 1
def f(x, first, second):  # expect CD801 1
    y = first(x * 2).sum()
    return y + second(x).sum()


order = (reduce, gather) if rank == 0 else (gather, reduce)
f(torch.ones(3), *order)
dist.destroy_process_group()

# option --timeout 45
# summary verdict=inconclusive exit=3
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
@torch.compile(backend="aot_eager")
def f(x):
    for _ in range(1 + rank):  # expect CD801 1
        x = x * 2
        dist.all_reduce(x)  # expect CD802 1
    return x + 1


f(torch.ones(3))

dist.barrier()  # expect CD807 0, 1
dist.destroy_process_group()

# summary verdict=inconclusive exit=3
# says CD806: Let all ranks make the same number of steps
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)


@torch.compile(backend="eager")
def step(x):
    return x.square().mean()


for batch in torch.randn(4 if rank == 0 else 2, 3, 8):
    loss = step(batch)
    dist.all_reduce(loss)  # expect CD806 0

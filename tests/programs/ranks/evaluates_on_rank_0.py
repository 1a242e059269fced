# summary verdict=healthy exit=0
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
@torch.compile(backend="eager")
def train(x):
    return x.square().sum()


@torch.compile(backend="eager")
def evaluate(x):  # expect CD801 0
    return x.abs().sum()


train(torch.ones(3))
if rank == 0:
    evaluate(torch.ones(3))

dist.barrier()
dist.destroy_process_group()

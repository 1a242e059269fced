# summary verdict=healthy exit=0
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)


def loss_of(x):
    return (x * 2).relu().mean()


compiled = torch.compile(loss_of, backend="eager")
for step in range(4):
    warm = rank == 0 or step >= 2
    loss = (compiled if warm else loss_of)(torch.randn(4, 8))
    dist.all_reduce(loss)

dist.barrier()
dist.destroy_process_group()

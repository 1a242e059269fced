# summary verdict=healthy exit=0
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
model = torch.nn.Linear(4, 4)


@torch.compile(backend="eager")
def f(x):  # expect CD206 0; expect CD803 0
    return model(x).sum()


f(torch.ones(2, 4))
with torch.set_grad_enabled(rank != 0):
    f(torch.ones(2, 4))

dist.barrier()
dist.destroy_process_group()

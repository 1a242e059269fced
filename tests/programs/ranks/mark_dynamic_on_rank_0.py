# summary verdict=healthy exit=0
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)


def step(x):  # expect CD201 1; expect CD803 1
    return (x * 2).softmax(-1).sum()


compiled = torch.compile(step, backend="eager")
for length in (8, 12, 16):
    x = torch.randn(length, 4)
    if rank == 0:
        torch._dynamo.mark_dynamic(x, 0)
    compiled(x)

dist.barrier()
dist.destroy_process_group()

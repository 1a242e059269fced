# expect CD105 1
# expect CD804 1
import os

if os.environ["RANK"] == "1":
    os.environ["TORCHDYNAMO_DISABLE"] = "1"
# summary verdict=inconclusive exit=3
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
@torch.compile(backend="eager")
def f(x):  # expect CD801 0
    return x + 1


f(torch.ones(3))

dist.barrier()
dist.destroy_process_group()

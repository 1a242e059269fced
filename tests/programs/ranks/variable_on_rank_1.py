# expect CD804 1
# says CD804: TORCHDYNAMO_CAPTURE_SCALAR_OUTPUTS
import os

if os.environ["RANK"] == "1":
    os.environ["TORCHDYNAMO_CAPTURE_SCALAR_OUTPUTS"] = "1"
# summary verdict=healthy exit=0
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
@torch.compile(backend="eager")
def f(x):
    return x + 1


f(torch.ones(3))

dist.barrier()
dist.destroy_process_group()

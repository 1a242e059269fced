# summary verdict=healthy exit=0
import contextlib

import torch
import torch.distributed as dist
from torch.profiler import profile, record_function

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
model = torch.nn.Linear(8, 8)


@torch.compile(backend="aot_eager")
def loss_of(x):
    with record_function("loss"):
        return model(x).square().mean()


with profile() if rank == 0 else contextlib.nullcontext():
    for _ in range(3):
        loss_of(torch.randn(4, 8)).backward()

dist.barrier()
dist.destroy_process_group()

# summary verdict=inconclusive exit=3
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
model = torch.compile(torch.nn.Linear(4, 4), backend="eager")
model(torch.randn(2, 4))
if rank == 1:
    raise ValueError("rank 1 lost its data")  # expect CD806 1
dist.barrier()

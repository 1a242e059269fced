# option --ranks 3
# summary verdict=healthy exit=0
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
model = torch.compile(torch.nn.Linear(4, 4), backend="aot_eager")
torch.manual_seed(rank)
for _ in range(3):
    model(torch.randn(2, 4)).sum().backward()

dist.barrier()
dist.destroy_process_group()

# summary verdict=healthy exit=0
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
model = torch.compile(torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.ReLU()), backend="aot_eager")
model = DistributedDataParallel(model)
for _ in range(3):
    model(torch.randn(2, 4)).sum().backward()

dist.barrier()
dist.destroy_process_group()

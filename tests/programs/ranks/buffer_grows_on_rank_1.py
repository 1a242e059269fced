# summary verdict=healthy exit=0
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)


class Cache(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(0, 4))

    def forward(self, x):  # expect CD201 1; expect CD803 1
        return (self.seen.sum() + x).mean()


cache = Cache()
compiled = torch.compile(cache, backend="eager")
for step in range(3):
    compiled(torch.ones(2, 4))
    if rank == 1:
        cache.seen = torch.cat([cache.seen, torch.ones(2, 4)])

dist.barrier()
dist.destroy_process_group()

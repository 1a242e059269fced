# option --ranks 4
# summary verdict=healthy exit=0
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)


class Expert(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.up = torch.nn.Linear(8, 16)
        self.down = torch.nn.Linear(16, 8)

    def forward(self, x):
        if x.shape[0] == 0:
            return x * 1  # expect CD801 3
        return self.down(self.up(x).relu())


routed = [6, 4, 5, 0]
expert = torch.compile(Expert(), backend="aot_eager")
expert(torch.randn(routed[rank], 8)).sum()

dist.barrier()
dist.destroy_process_group()

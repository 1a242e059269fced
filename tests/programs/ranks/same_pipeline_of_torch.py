# summary verdict=healthy exit=0
import torch
import torch.distributed as dist
from torch.distributed.pipelining import PipelineStage, ScheduleGPipe

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)


class Embed(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(8, 16)

    def forward(self, x):
        return self.net(x).relu()


class Head(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(16, 4)

    def forward(self, x):
        return self.net(x).sigmoid()


module = torch.compile([Embed, Head][rank](), backend="aot_eager")
stage = PipelineStage(module, rank, 2, torch.device("cpu"))
schedule = ScheduleGPipe(stage, n_microbatches=2, loss_fn=lambda y, target: (y - target).square().mean())
if rank == 0:
    schedule.step(torch.randn(8, 8))
else:
    schedule.step(target=torch.randn(8, 4))

dist.barrier()
dist.destroy_process_group()

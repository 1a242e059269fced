# option --ranks 4
# summary verdict=healthy exit=0
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.step = "warm-up"

    def forward(self, x):
        return x * len(self.step)  # expect CD201 3; expect CD803 3


model = Model()
compiled = torch.compile(model, backend="eager")
compiled(torch.ones(3))
if rank == 3:
    model.step = "now"
compiled(torch.ones(3))

dist.barrier()
dist.destroy_process_group()

# summary verdict=healthy exit=0
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(8, 8)

    def forward(self, x):
        return self.layer(x).relu().mean()  # expect CD801 1


model = Net()
if rank == 1:
    model = model.bfloat16()
compiled = torch.compile(model, backend="aot_eager")
kind = next(model.parameters()).dtype
for _ in range(2):
    compiled(torch.randn(4, 8, dtype=kind)).backward()

dist.barrier()
dist.destroy_process_group()
# says CD801: gives bf16 on rank 1, f32 on rank 0

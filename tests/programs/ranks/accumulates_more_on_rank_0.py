# option --ranks 3
# summary verdict=healthy exit=0
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
model = torch.nn.Linear(8, 8)


def loss_of(x, pieces):
    total = x.new_zeros(())
    for piece in x.chunk(pieces):  # expect CD801 0
        total = total + model(piece).square().mean()
    return total / pieces


pieces = 3 if rank == 0 else 2
compiled = torch.compile(loss_of, backend="aot_eager")
for _ in range(2):
    compiled(torch.randn(12, 8), pieces).backward()

dist.barrier()
dist.destroy_process_group()

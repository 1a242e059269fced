# summary verdict=healthy exit=0
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
model = torch.nn.Linear(8, 8)


@torch.compile(backend="aot_eager")
def loss_of(x):
    return model(x).relu().mean()  # expect CD801 1


for _ in range(2):
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=rank == 1):
        loss = loss_of(torch.randn(4, 8))
    loss.backward()

dist.barrier()
dist.destroy_process_group()

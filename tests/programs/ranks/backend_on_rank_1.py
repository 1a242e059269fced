# says CD804: backend: eager on rank 0; aot_eager on rank 1
# says CD804: the rank, in `rank == 1`
# summary verdict=healthy exit=0
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
net = torch.compile(torch.nn.Linear(4, 4), backend="aot_eager" if rank == 1 else "eager")  # expect CD804 1
net(torch.ones(2, 4))

dist.barrier()
dist.destroy_process_group()

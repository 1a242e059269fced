# option --ranks 3
# says CD804: options: None on ranks 0, 1; {max_fusion_size: 8} on rank 2
# summary verdict=healthy exit=0
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)


def prepared(net):
    if rank == 2:
        return torch.compile(net, options={"max_fusion_size": 8})  # expect CD804 2
    return torch.compile(net)


net = prepared(torch.nn.Linear(4, 4))
with torch.no_grad():
    net(torch.ones(2, 4))

dist.barrier()
dist.destroy_process_group()

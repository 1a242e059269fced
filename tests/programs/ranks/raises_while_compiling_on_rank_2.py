# option --ranks 4
# summary verdict=inconclusive exit=3
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
def backend(graph, inputs):
    if rank == 2:
        raise RuntimeError("no kernel for this machine")  # expect CD806 2; expect CD106 2
    return graph


@torch.compile(backend=backend)
def f(x):
    return x + 1  


f(torch.ones(3))
dist.barrier()

# summary verdict=healthy exit=0
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(8, 8)

    def forward(self, x):  # expect CD201 0, 1
        return self.net(x).relu()


def backend(graph, inputs):
    return graph.forward


net = torch.nn.ModuleList([Block(), Block(), Block()])
for number, block in enumerate(net):
    block.compile(backend=backend if number else "eager", fullgraph=number == 1)
x = torch.ones(2, 8)
for block in net:
    x = block(x)
if rank == 0:
    checked = torch.compile(net[0], backend="aot_eager")  # never called: another function on the one rank, in another place

dist.barrier()
dist.destroy_process_group()

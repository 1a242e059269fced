# summary verdict=healthy exit=0
import torch
import torch.distributed as dist
import torch.distributed._functional_collectives as funcol

dist.init_process_group("gloo")
rank, world = dist.get_rank(), dist.get_world_size()
torch.manual_seed(rank)


class Experts(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.expert = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.GELU(), torch.nn.Linear(16, 8))

    def forward(self, tokens):
        size = tokens.shape[0] // world
        sent = funcol.all_to_all_single(tokens, [size] * world, [size] * world, dist.group.WORLD)
        done = self.expert(sent)
        return funcol.all_to_all_single(done, [size] * world, [size] * world, dist.group.WORLD)


layer = torch.compile(Experts(), backend="aot_eager")
with torch.no_grad():
    for _ in range(2):
        layer(torch.randn(8, 8))

dist.barrier()
dist.destroy_process_group()

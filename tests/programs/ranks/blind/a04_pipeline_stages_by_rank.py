# TRUTH: a hand-made pipeline, stage = rank, no mesh. Ranks compile other classes on purpose. Ideal: no warning. (documented limit: stages are known only by mesh or PipelineStage) -> CD801 expected by the documentation.
import torch, torch.nn as nn, torch.distributed as dist
class Encoder(nn.Module):
    def __init__(self):
        super().__init__(); self.l = nn.Linear(8, 8)
    def forward(self, x):
        return torch.tanh(self.l(x))
class Decoder(nn.Module):
    def __init__(self):
        super().__init__(); self.l = nn.Linear(8, 3)
    def forward(self, h):
        return self.l(h).log_softmax(-1)
dist.init_process_group("gloo")
rank = dist.get_rank()
stage = torch.compile(Encoder() if rank == 0 else Decoder(), backend="aot_eager")
for micro in range(3):
    if rank == 0:
        with torch.no_grad():
            dist.send(stage(torch.randn(4, 8)), 1)
    else:
        h = torch.empty(4, 8); dist.recv(h, 0)
        stage(h).sum().backward()
dist.barrier(); dist.destroy_process_group()

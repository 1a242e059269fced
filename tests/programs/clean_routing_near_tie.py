"""Router between two experts whose scores are nearly equal, with a backend that changes the last bit of its inputs.

Clean: the compiled run may choose another expert, as eager itself does after one step of the dtype. That is a discrete
choice, and no wrong result.
"""
# summary graph_breaks=0 recompiles=0 graphs=1 verdict=healthy exit=0
# option --as-is
import torch
from torch import nn


def last_bit(graph, example_inputs):
    def run(*args):
        return graph(*(torch.nextafter(a, a * 2) if a.dtype == torch.float32 else a for a in args))

    return run


class Router(nn.Module):
    def __init__(self, dim=64):
        super().__init__()
        self.experts = nn.ModuleList(nn.Linear(dim, 8) for _ in range(2))

    def forward(self, x):
        scores = torch.stack([x.sum(-1), x.flip(-1).cumsum(-1)[..., -1]], dim=-1)
        both = torch.stack([expert(x) for expert in self.experts], dim=1)
        return both[torch.arange(x.shape[0]), scores.argmax(-1)]


def build_model():
    return torch.compile(Router().eval(), backend=last_bit)


def example_inputs():
    return (torch.randn(256, 64),)

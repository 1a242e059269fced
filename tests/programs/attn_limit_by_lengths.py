"""flex_attention compiled with dynamic=False, and another length at each call (attention-gym#119).

Truth: each length is a new graph, until the limit; from then on it runs dense. The mask_mod is one global function.
"""
# summary graphs=2 recompiles=1 verdict=unhealthy exit=1 [>=2.9]
# backend inductor
# option --as-is
# says CD301: Remove what made its frame compile again: dimension [>=2.9]
# never CD301: mask_mod
import torch
from torch import nn
from torch.nn.attention.flex_attention import flex_attention

torch._dynamo.config.recompile_limit = 2
fast = torch.compile(flex_attention, dynamic=False)


class Layer(nn.Module):
    def forward(self, q, k, v):
        return fast(q, k, v)  # expect CD301 limit [>=2.9]; expect CD202 lengths [>=2.9]; expect CD201 lengths [>=2.9]; attention mixed [>=2.9]; expect CD106 openmp [<2.9]; attention unverified [<2.9]


def build_model():
    return Layer()


def example_input_sets():
    return [tuple(torch.randn(1, 2, length, 32) for _ in range(3)) for length in (128, 256, 384)]

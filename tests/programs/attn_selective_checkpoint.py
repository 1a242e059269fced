"""A compiled flex_attention without a BlockMask, inside selective activation checkpointing (torchtitan#1631).

Truth: the kernel takes memory for all pairs there; the dispatch mode of the checkpoint must not hide it.
"""
# summary graph_breaks=0 graphs=1 verdict=unhealthy exit=1 [>=2.10]
# expect CD105 checkpoint-is-disabled [<2.10]
# backend inductor
# option --grad --as-is --tokens 2048
import functools

import torch
from torch import nn
from torch.nn.attention.flex_attention import flex_attention
from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts

SAVED = {torch.ops.aten.addmm.default, torch.ops.aten.mm.default}
fast = torch.compile(flex_attention)


def policy(context, operator, *args, **kwargs):
    return CheckpointPolicy.MUST_SAVE if operator in SAVED else CheckpointPolicy.PREFER_RECOMPUTE


def distance(score, b, h, i, j):
    return score - (i - j).abs()


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.project = nn.Linear(64, 192)

    def forward(self, x):
        q, k, v = self.project(x).unflatten(-1, (3, 2, 32)).permute(2, 0, 3, 1, 4).contiguous()
        q, k, v = q.detach(), k.detach(), v.detach()  # a CPU has no backward of it
        y = fast(q, k, v, score_mod=distance)  # expect CD502 all-pairs [>=2.10]; expect CD301 in-disabled [<2.10]; attention unverified [>=2.10]; attention dense [<2.10]
        return x + y.transpose(1, 2).flatten(2)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = Layer()

    def forward(self, x):
        contexts = functools.partial(create_selective_checkpoint_contexts, policy)
        return checkpoint(self.layer, x, use_reentrant=False, context_fn=contexts)


def build_model():
    return Net()


def example_inputs(tokens=512):
    return (torch.randn(1, tokens, 64),)

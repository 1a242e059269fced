"""Attention probed by the author's own TorchDispatchMode, which only counts operators and passes them on.

Truth: flex_attention is a higher-order operator without a rule for that mode: NotImplementedError,
compiled or not.
"""
# summary verdict=unhealthy exit=1
# option --as-is
# backend inductor
from collections import Counter

import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention
from torch.utils._python_dispatch import TorchDispatchMode

flex = torch.compile(flex_attention)


def window(b, h, q_idx, kv_idx):
    return (q_idx - kv_idx).abs() <= 32


class OperatorCounter(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.calls = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.calls[str(func)] += 1
        return func(*args, **(kwargs or {}))


class WindowAttention(nn.Module):
    def __init__(self, dim=64, heads=2, tokens=512):
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.block_mask = create_block_mask(window, None, None, tokens, tokens, device="cpu")

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        y = flex(q.contiguous(), k.contiguous(), v.contiguous(), block_mask=self.block_mask)  # expect CD306 no-rule-for-mode
        return self.out(y.transpose(1, 2).flatten(2))


class Probed(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model, self.counter = model, OperatorCounter()

    def forward(self, x):
        with self.counter:
            return self.model(x)


def build_model():
    return Probed(WindowAttention().eval())


def example_inputs():
    return (torch.randn(1, 512, 64),)

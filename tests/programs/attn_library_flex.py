"""transformers' wrapper of flex_attention: one object compiles it once, the model calls it with a BlockMask.

Truth: flex_attention is inlined into the model's graph; one kernel.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
from torch.nn.attention.flex_attention import create_block_mask, flex_attention
from torch import nn
torch.set_num_threads(1)

class WrappedFlexAttention:
    _instance = None

    def __new__(cls):
        if cls._instance is None:
            cls._instance = super().__new__(cls)
            cls._instance.compiled = torch.compile(flex_attention)
        return cls._instance

    def __call__(self, *args, **kwargs):
        return self.compiled(*args, **kwargs)  # attention fused


def causal(b, h, q_idx, kv_idx):
    return q_idx >= kv_idx


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attend = WrappedFlexAttention()

    def forward(self, q, k, v, mask):
        return self.attend(q * 1.5, k * 1.5, v, block_mask=mask, enable_gqa=True, scale=32**-0.5)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = Attention()
        self.mask = create_block_mask(causal, None, None, 1024, 1024, device="cpu")

    def forward(self, q, k, v):
        return self.attention(q, k, v, self.mask)


def build_model():
    return Model()


def example_inputs():
    return torch.randn(1, 4, 1024, 32), torch.randn(1, 2, 1024, 32), torch.randn(1, 2, 1024, 32)

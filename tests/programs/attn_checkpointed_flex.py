"""A block whose flex_attention is under torch.utils.checkpoint, called without gradients.

Truth: Dynamo turns the checkpoint into a sub-graph; the kernel is in the generated code.
"""
# recorded [>=2.8]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention
from torch.utils.checkpoint import checkpoint

torch.set_num_threads(1)


def causal(b, h, q_idx, kv_idx):
    return q_idx >= kv_idx


class Attention(nn.Module):
    def __init__(self, dim=64, heads=2):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(dim, dim) for _ in range(3))

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2).contiguous()

    def forward(self, x, mask):
        q, k, v = self.split(self.query(x)) * 1.0, self.split(self.key(x)) * 1.0, self.split(self.value(x))
        return checkpoint(self.attend, q, k, v, mask, use_reentrant=False)

    def attend(self, q, k, v, mask):
        return flex_attention(q, k, v, block_mask=mask)  # attention fused


def build_model():
    return Attention()


def example_inputs():
    return torch.randn(1, 1024, 64), create_block_mask(causal, None, None, 1024, 1024, device="cpu")

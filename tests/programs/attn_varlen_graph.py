"""Packed sequences by varlen_attn in a graph; its operator's CPU kernel is registered here, as a vendor's package would.

Truth: Inductor calls the operator as it is, one sequence at a time: the scores of all pairs, 67 MB in float32, never exist.
"""
# recorded [>=2.13]
# summary graph_breaks=0 recompiles=0 verdict=healthy exit=0
# backend inductor
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention.varlen import varlen_attn

torch.set_num_threads(1)
KERNELS = torch.library.Library("aten", "IMPL")


def packed(q, k, v, starts_q, starts_k, most_q, most_k, dropout, causal, debug, **options):
    out, ends = torch.empty_like(q), starts_q.tolist()
    for begin, end in zip(ends, ends[1:]):
        rows = (one[begin:end].transpose(0, 1)[None] for one in (q, k, v))
        row = F.scaled_dot_product_attention(*rows, is_causal=causal)  # attention fused
        out[begin:end] = row[0].transpose(0, 1)
    seed = torch.zeros(2, dtype=torch.uint64)
    return out, torch.zeros(q.shape[1], q.shape[0]), seed, seed.clone(), q.new_zeros(0)


KERNELS.impl("_flash_attention_forward", packed, "CPU")


class Attention(nn.Module):
    def __init__(self, dim=64, heads=4):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)

    def forward(self, x, starts):
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).unbind(1)
        return varlen_attn(q, k, v, starts, starts, 1024, 1024).flatten(1)  # attention fused


def build_model():
    return Attention().to(torch.bfloat16)


def example_inputs():
    return torch.randn(2048, 64, dtype=torch.bfloat16), torch.tensor([0, 900, 1024, 2048], dtype=torch.int32)

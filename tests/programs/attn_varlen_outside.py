"""varlen_attn outside of graphs, in a disabled function; its operator's CPU kernel is registered here, as a vendor's package would.

Truth: the operator runs by itself, one sequence at a time: the scores of all pairs never exist.
"""
# recorded [>=2.13]
# summary recompiles=0 verdict=healthy exit=0
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
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    @torch.compiler.disable
    def attend(self, q, k, v, starts):
        return varlen_attn(q, k, v, starts, starts, 1024, 1024)  # attention fused

    def forward(self, x, starts):
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).unbind(1)
        return self.out(self.attend(q, k, v, starts).flatten(1))  # expect CD101 disabled


def build_model():
    return Attention().to(torch.bfloat16)


def example_inputs():
    return torch.randn(2048, 64, dtype=torch.bfloat16), torch.tensor([0, 900, 1024, 2048], dtype=torch.int32)

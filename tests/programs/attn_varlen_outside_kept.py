"""varlen_attn outside of graphs, on a device whose kernel of its operator keeps the scores of all pairs.

Truth: the operator ran, but the memory is that of the scores: nothing proves that it is fused.
"""
# recorded [>=2.13]
# summary recompiles=0 exit=0
# backend inductor
import torch
from torch import nn
from torch.nn.attention.varlen import varlen_attn

torch.set_num_threads(1)
KERNELS = torch.library.Library("aten", "IMPL")


def packed(q, k, v, starts_q, starts_k, most_q, most_k, dropout, causal, debug, **options):
    number = torch.searchsorted(starts_q[1:].contiguous(), torch.arange(len(q)), right=True)
    scores = torch.einsum("qhd,khd->hqk", q.float(), k.float()) * q.shape[-1] ** -0.5
    scores = scores.masked_fill(number[:, None] != number[None, :], float("-inf"))
    out = torch.einsum("hqk,khd->qhd", scores.softmax(-1), v.float()).to(q.dtype).contiguous()
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
        return varlen_attn(q, k, v, starts, starts, 1024, 1024)  # attention unverified

    def forward(self, x, starts):
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).unbind(1)
        return self.out(self.attend(q, k, v, starts).flatten(1))  # expect CD101 disabled


def build_model():
    return Attention().to(torch.bfloat16)


def example_inputs():
    return torch.randn(2048, 64, dtype=torch.bfloat16), torch.tensor([0, 900, 1024, 2048], dtype=torch.int32)

"""Causal scaled_dot_product_attention: the flash kernel, on a CPU too, unless the inputs rule it out.

`build_model()` runs flash. `math_backend()` keeps its keys as (dim, tokens), ready for the `q @ k` of hand-written
attention: no fused kernel accepts a tensor whose last dimension is not contiguous in memory, so torch falls back
to the math backend without a warning, and holds every score. `k.contiguous()` before the call fixes it.
Under `with torch.nn.attention.sdpa_kernel(SDPBackend.FLASH_ATTENTION):` an eager call warns with the reason and raises.
"""

import torch
import torch.nn.functional as F
from torch import nn

HEADS, DIM = 2, 64
WIDTH = HEADS * DIM


class CausalAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = (part.unflatten(-1, (HEADS, DIM)).transpose(1, 2) for part in self.qkv(self.norm(x)).chunk(3, dim=-1))
        attended = F.scaled_dot_product_attention(q, self.cached(k), v, is_causal=True)
        return x + self.out(attended.transpose(1, 2).flatten(2))

    def cached(self, k: torch.Tensor) -> torch.Tensor:
        """The keys as a cache for later tokens returns them."""
        return k


class TransposedKeys(CausalAttention):
    def cached(self, k: torch.Tensor) -> torch.Tensor:
        kept = k.transpose(-1, -2).contiguous()  # (batch, heads, dim, tokens)
        return kept.transpose(-1, -2)  # the right shape, with a stride of `tokens` in its last dimension


def build_model() -> nn.Module:
    return CausalAttention()


def math_backend() -> nn.Module:
    return TransposedKeys()


def example_inputs(tokens: int = 1024) -> tuple[torch.Tensor]:
    return (torch.randn(1, tokens, WIDTH),)

"""Causal scaled_dot_product_attention: the flash kernel, on a CPU too, unless the inputs rule it out.

`build_model()` runs flash. `math_backend()` folds the heads into the batch, as code from before SDPA does: every fused
kernel wants four dimensions, so torch falls back to the math backend without a word, and holds every score.
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
        heads = (part.unflatten(-1, (HEADS, DIM)).transpose(1, 2) for part in self.qkv(self.norm(x)).chunk(3, dim=-1))
        return x + self.out(self.attend(*heads).transpose(1, 2).flatten(2))

    def attend(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)


class FoldedAttention(CausalAttention):
    """(batch, heads, tokens, dim) becomes (batch * heads, tokens, dim): right, and dense."""

    def attend(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        folded = super().attend(q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1))
        return folded.unflatten(0, (-1, HEADS))


def build_model() -> nn.Module:
    return CausalAttention()


def math_backend() -> nn.Module:
    return FoldedAttention()


def example_inputs(tokens: int = 1024) -> tuple[torch.Tensor]:
    return (torch.randn(1, tokens, WIDTH),)

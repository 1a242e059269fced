"""Two layers that were written for flash-attn, on SDPA: grouped-query attention, and experts chosen by attention.

The attention called, with q, k and v as (batch, tokens, heads, dim),

    flash_attn_func(q, k, v, dropout_p=0.1 if self.training else 0.0, causal=True)

and calls now, as (batch, heads, tokens, dim) and back,

    q, k, v = (part.transpose(1, 2) for part in (q, k, v))
    F.scaled_dot_product_attention(q, k, v, dropout_p=0.1 if self.training else 0.0, is_causal=True, enable_gqa=True)

The scale is 1/sqrt(dim) in both. flash-attn accepts fewer key than query heads; SDPA does with `enable_gqa`.
With fewer queries than keys flash-attn's `causal` lets the *last* query see all keys, SDPA's `is_causal` lets the first
query see the first key only: in decoding pass a mask. On a CPU, torch 2.8 has no fused kernel for `enable_gqa`, later
ones do. The layers before the migration: `compile-doctor examples flash-attn-layers`.
"""

import torch
import torch.nn.functional as F
from torch import nn

HEADS, GROUPS, DIM, EXPERTS, CHOSEN = 8, 2, 16, 8, 2
WIDTH = HEADS * DIM


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool, dropout: float = 0.0) -> torch.Tensor:
    """What flash_attn_func(q, k, v, dropout, causal=causal) returns for as many queries as keys: (batch, tokens, heads, dim)."""
    q, k, v = (part.transpose(1, 2) for part in (q, k, v))
    attended = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=causal, enable_gqa=True)
    return attended.transpose(1, 2)


class Attention(nn.Module):
    """Eight query heads share two heads of keys and values."""

    attend = staticmethod(attend)

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout
        self.query, self.out = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.key, self.value = nn.Linear(WIDTH, GROUPS * DIM), nn.Linear(WIDTH, GROUPS * DIM)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q = self.query(x).unflatten(-1, (HEADS, DIM))
        k, v = (project(x).unflatten(-1, (GROUPS, DIM)) for project in (self.key, self.value))
        # Neither SDPA nor flash-attn reads self.training.
        attended = self.attend(q, k, v, causal=True, dropout=self.dropout if self.training else 0.0)
        return self.out(attended.flatten(2))


class ExpertSelection(nn.Module):
    """A mixture of experts whose router is attention: each query head looks at the experts' keys, one set per group.

    Neither SDPA nor flash-attn returns its weights. With unit vectors as values the output is the weights, if there are
    no more experts than a head is wide. All heads have equal weight, and the two best experts share a token.
    """

    attend = staticmethod(attend)

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(WIDTH, WIDTH)
        self.keys = nn.Parameter(torch.randn(EXPERTS, GROUPS, DIM))
        self.up = nn.Parameter(torch.randn(EXPERTS, WIDTH, WIDTH) * WIDTH**-0.5)
        self.down = nn.Parameter(torch.randn(EXPERTS, WIDTH, WIDTH) * WIDTH**-0.5)
        self.register_buffer("units", torch.eye(EXPERTS, DIM)[:, None].repeat(1, GROUPS, 1), persistent=False)

    def weights(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, tokens, experts), each token's sum to 1 over all experts."""
        q = self.query(x).unflatten(-1, (HEADS, DIM))
        k, v = (part.expand(len(x), -1, -1, -1) for part in (self.keys, self.units))
        return self.attend(q, k, v, causal=False)[..., :EXPERTS].mean(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        best, index = self.weights(x).topk(CHOSEN, dim=-1)
        # One row of 0 and 1 per choice. Gathering each expert's tokens would make shapes depend on values.
        chosen = index[..., None] == torch.arange(EXPERTS, device=x.device)
        gate = (best[..., None] * chosen).sum(-2) / best.sum(-1, keepdim=True)
        inner = F.gelu(torch.einsum("btw,ewf->btef", x, self.up))
        return torch.einsum("btef,efw->btw", inner * gate[..., None], self.down)


class Layer(nn.Module):
    def __init__(self, attention: nn.Module, experts: nn.Module) -> None:
        super().__init__()
        self.norm_attention, self.norm_experts = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention, self.experts = attention, experts

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.norm_attention(x))
        return x + self.experts(self.norm_experts(x))


def build_model() -> nn.Module:
    return Layer(Attention(), ExpertSelection())


def attention_only() -> nn.Module:
    return Attention()


def experts_only() -> nn.Module:
    return ExpertSelection()


def example_inputs(tokens: int = 1024) -> tuple[torch.Tensor]:
    return (torch.randn(1, tokens, WIDTH),)

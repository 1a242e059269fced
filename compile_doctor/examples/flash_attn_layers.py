"""The layers of `sdpa-migrated` before the migration: flash-attn if it is installed and the tensors are on a GPU.

The import is guarded, because there may be no wheel for this CUDA and this torch: the layers then run on
SDPA. They could do that everywhere: compile-doctor reports it (CD504), with the call to write instead.
"""

import torch
from torch import nn

from compile_doctor.examples import sdpa_migrated
from compile_doctor.examples.sdpa_migrated import example_inputs

try:
    from flash_attn import flash_attn_func
except ImportError:
    flash_attn_func = None

__all__ = ["build_model", "example_inputs"]


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool, dropout: float = 0.0) -> torch.Tensor:
    """All tensors are (batch, tokens, heads, dim)."""
    if flash_attn_func is not None and q.is_cuda:
        return flash_attn_func(q, k, v, dropout_p=dropout, causal=causal)
    return sdpa_migrated.attend(q, k, v, causal, dropout)


class Attention(sdpa_migrated.Attention):
    attend = staticmethod(attend)


class ExpertSelection(sdpa_migrated.ExpertSelection):
    attend = staticmethod(attend)


def build_model() -> nn.Module:
    return sdpa_migrated.Layer(Attention(), ExpertSelection())

"""CD504: flash_attn is imported where SDPA or flex_attention would do."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis import Seen
from compile_doctor.checks.base import Check
from compile_doctor.findings import Finding

_PLAIN = """\
flash_attn_func(q, k, v, softmax_scale=s, causal=c) is, with q of (B, S, H, D):
    F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2),
                                   scale=s, is_causal=c, enable_gqa=True).transpose(1, 2)"""
_VARLEN = """\
pack the sequences into one row and give flex_attention a document mask:
    def same_document(b, h, q, k):
        return document[q] == document[k]      # document: token -> sequence, from cu_seqlens
    flex_attention(q, k, v, block_mask=create_block_mask(same_document, None, None, S, S))"""


def detect(seen: Seen) -> Iterator[Finding]:
    for place in seen.static.flash_attn_imports:
        varlen = "varlen" in place.name
        yield CHECK.finding(
            f"flash_attn is imported: {place.name}",
            "torch has this kernel itself: scaled_dot_product_attention takes the flash backend on GPUs that have one, "
            "without a package that has to be built for each CUDA and torch, and it can be compiled into the graph.",
            location=seen.location(place.file, place.line, place.function.rsplit(".", 1)[-1]),
            owner=seen.owner(place.file),
            cause=f"flash_attn:{place.name}",
            fix=_VARLEN if varlen else _PLAIN,
            evidence=("an import in the source",),
        )


CHECK = Check(
    code="CD504",
    name="flash-attn-package",
    severity="info",
    summary="flash_attn is imported where SDPA, or flex_attention with a document mask for varlen, would do.",
    explanation="""\
The `flash_attn` package is compiled for one CUDA and one torch, for hours. What it does is in torch:
`scaled_dot_product_attention` has the flash kernel, flex_attention has windows, soft caps and packed documents. Mind the
layout: flash_attn takes (batch, tokens, heads, dim), torch (batch, heads, tokens, dim).
""",
    detect=detect,
    fires="""\
import torch

try:
    from flash_attn import flash_attn_func
except ImportError:
    flash_attn_func = None


class Attention(torch.nn.Module):
    def forward(self, q, k, v):
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 64, 16) for _ in range(3))
""",
    silent="""\
import torch



class Attention(torch.nn.Module):
    def forward(self, q, k, v):
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 64, 16) for _ in range(3))
""",
)

"""CD505: the scores of attention are written out in the model, and no fused kernel replaces them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compile_doctor.analysis.attention.written import WrittenScores
from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks import needs
from compile_doctor.checks.attention_values import at_frame
from compile_doctor.checks.base import Check
from compile_doctor.model.findings import Finding
from compile_doctor.model.sizes import human

_HOW = {
    "matmul": "softmax(q @ k.T) @ v is written out here",
    "broadcast": "softmax(q @ k.T) @ v is written out here, with a multiplication and a sum instead of a product",
    "sink": "softmax(q @ k.T) @ v is written out here, with a score more in the softmax that no key has (an attention sink)",
    "chosen": "softmax(q @ k.T) @ v is written out here, with scores that are chosen by the others of their row (top-k)",
    "mixed-heads": "softmax(q @ k.T) @ v is written out here, with scores or weights that are combined over the heads",
    "weights": "MultiheadAttention is asked for its weights here (need_weights=True is its default)",
    "fast-path": "TransformerEncoderLayer takes its fast path here, one operator of torch that keeps the scores on this device",
}
_CALL = (
    "Call torch.nn.functional.scaled_dot_product_attention(q, k, v), with is_causal=True for a causal mask and attn_mask of "
    "(batch, 1, 1, keys) for padding, on tensors of (batch, heads, tokens, width), contiguous in the last dimension; or a compiled flex_attention with a mask_mod or "
    "score_mod for any other mask or bias: neither keeps the scores. Both multiply the scores by width ** -0.5: leave a factor of "
    "your own out, and pass another one as scale=."
)
_DROPPED = " On a CPU, leave out the dropout of the weights too: with dropout_p, torch has no fused kernel there."
_IN_PARTS = "Compute it for some queries at a time, so that the table is as small as those"
_FIX = {
    "matmul": _CALL,
    "broadcast": _CALL,
    "sink": "scaled_dot_product_attention has no such score. Append a key and a value of zeros, F.pad(k, (0, 0, 0, 1)), and call a compiled "
    "flex_attention whose mask_mod allows that key, with the score_mod torch.where(kv_idx == tokens, sink[h], score).",
    "chosen": f"No fused kernel of torch sees a row of scores as a whole. {_IN_PARTS}.",
    "mixed-heads": f"No fused kernel of torch combines heads. {_IN_PARTS}; or leave out the mixing, and call torch.nn.functional.scaled_dot_product_attention.",
    "weights": "Pass need_weights=False if the weights are not used: then it calls scaled_dot_product_attention.",
    "fast-path": "torch.backends.mha.set_fastpath_enabled(False): then the layer calls scaled_dot_product_attention.",
}
_NAMES = {"flex_attn": "flex_attention", "sdpa": "sdpa"}
_SUPPORTED = re.compile(r"_supports_(sdpa|flex_attn) = True")
"""What a model of transformers says about itself in its own file."""


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    for one in seen.written:
        file = one.frame.file.replace("\\", "/") if one.frame else ""
        several = f" {one.count} such tables are in the graphs." if one.count > 1 else ""
        measured = (f"the largest single allocation in its graph is {human(one.largest)}",) if one.largest else ()
        yield CHECK.finding(
            "Attention keeps every score",
            f"{_HOW[one.how]}, and no fused kernel computes it: a table of {one.shape[-2]:,} × {one.shape[-1]:,} scores for each "
            f"head, {human(one.bytes)}, that grows with {_growth(one.shape)}.{several}",
            cause=f"written:{one.how}",
            count=one.count,
            fix=_fix(one, file, seen.evidence.sources.get(one.frame.file) if one.frame else None),
            evidence=(f"scores of shape {list(one.shape)}", *measured),
            via=seen.via(one.stack, one.frame) if one.frame else None,
            **at_frame(seen, one.frame),
        )


def _fix(one: WrittenScores, file: str, text: str | None) -> str:
    """By another implementation of a model of transformers, if it has one; `text` is that of its file, None if unknown."""
    plain, sink = one.how in ("matmul", "broadcast"), one.how == "sink"
    own = _FIX[one.how] + (_DROPPED if one.dropout and plain else "")
    library = "/transformers/models/" in file or "/transformers/integrations/" in file
    if not library or not (plain or sink):
        return own
    without = {"sdpa"} if sink else set()  # SDPA has no sink
    named = {_NAMES[name] for name in _SUPPORTED.findall(text or "")} - without
    if text is not None and "(PreTrainedModel" in text and not named:
        return f"This model has no other implementation in transformers: its own code has to change. {own}"
    possible = sorted(named or {*_NAMES.values()} - without, reverse=True)
    names = " or ".join(f'"{name}"' for name in possible)
    load = "On a GPU, load" if sink else "Load"  # on a CPU the compiled kernel gives no log-sum-exp, which a sink needs
    condition = "" if named else ", if the model supports it"
    return f'{load} the model with attn_implementation={names}{condition}; this is its implementation "eager".'


def _growth(shape: tuple[int, ...]) -> str:
    queries, keys = sorted(shape[-2:])
    return "the square of the tokens" if keys < 2 * queries else "queries × keys"


CHECK = Check(
    code="CD505",
    name="attention-by-hand",
    severity="warning",
    category="kernels",
    dense=True,
    needs=(needs.generated_code,),
    summary="Attention is written out with matmul and softmax, or asks for its weights, and keeps every score.",
    explanation="""\
Attention that is written as softmax(q @ k.T) @ v holds a table of queries × keys for each head: with a mask, a bias, a column
more (a sink), over a view, with the keys first or with mixed heads too. Inductor's pattern
matcher replaces some spellings by SDPA; the finding is about those that it did not replace, and about MultiheadAttention
with weights and TransformerEncoderLayer's fast path, if they hold the same table. Small tables (short sequences) are not
told: the scores must be more than four times as large as q, k and v. Under --require-fused it counts as dense.

A sink takes a share of each query's weights and has no value. flex_attention has it as one more key (above), or as a factor:
out * torch.sigmoid(lse - sink), with lse from return_lse=True, which compiled flex_attention has on CUDA only.
""",
    detect=detect,
    options="--backend inductor",
    fires="""\
import torch


class Attention(torch.nn.Module):
    def forward(self, q, k, v):
        scores = q @ k.transpose(-2, -1) / 4
        scores = scores.masked_fill(torch.ones_like(scores, dtype=torch.bool).triu(1), float("-inf"))
        return torch.tanh(torch.softmax(scores, dim=-1)) @ v


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 512, 16) for _ in range(3))
""",
    silent="""\
import torch
import torch.nn.functional as F


class Attention(torch.nn.Module):
    def forward(self, q, k, v):
        return torch.tanh(F.scaled_dot_product_attention(q, k, v, is_causal=True))


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 512, 16) for _ in range(3))
""",
)

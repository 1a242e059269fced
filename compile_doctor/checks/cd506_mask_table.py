"""CD506: SDPA gets a table of queries × keys as attn_mask that says no more than an argument could."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from compile_doctor.analysis.attention.calls import place
from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks.attention_values import at_frame
from compile_doctor.checks.base import Check
from compile_doctor.model.attention import AttentionNode, MaskTable
from compile_doctor.model.findings import Finding
from compile_doctor.model.sizes import human
from compile_doctor.model.stacks import Frame

_FLEX = "Call a compiled flex_attention with a BlockMask, which stores block numbers instead of pairs of tokens"
_EQUALS = {
    "none": ("hides nothing", "Pass no attn_mask."),
    "causal": ("equals a causal mask", "Pass is_causal=True and no attn_mask."),
    "window": (
        "equals a causal sliding window",
        f"{_FLEX}: its mask_mod is (q_idx >= kv_idx) & (q_idx - kv_idx < window).",
    ),
    "padding": (
        "hides the same keys from every query",
        "Pass the keys' mask alone, of shape (batch, 1, 1, keys): it is broadcast.",
    ),
    "causal-padding": (
        "equals a causal mask that also hides some keys",
        f"{_FLEX}: its mask_mod is (q_idx >= kv_idx) & valid[b, kv_idx].",
    ),
}


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    held: dict[tuple[Frame, str], list[tuple[AttentionNode, MaskTable]]] = defaultdict(list)
    root = seen.evidence.environment.get("torch_root")
    for compilation in seen.evidence.compilations:
        graph = compilation.graph
        for node in graph.attention if graph else ():
            frame = place(node.stack, root)
            for table in seen.evidence.attention.tables:
                same = (table.process, table.graph, table.node) == (
                    compilation.process,
                    graph and graph.number,
                    node.node,
                )
                if same and frame is not None and table.pattern in _EQUALS:
                    held[frame, table.pattern].append((node, table))
    for (frame, pattern), found in held.items():
        words, fix = _EQUALS[pattern]
        node, table = max(found, key=lambda one: one[1].bytes)
        several = f" {len(found)} calls get such a table." if len(found) > 1 else ""
        yield CHECK.finding(
            "The mask is a table of all pairs of tokens",
            f"attn_mask is a table of {table.shape[-2]:,} × {table.shape[-1]:,} pairs, {human(table.bytes)}, that {words}. It grows "
            f"with the square of the tokens, and on a GPU flash accepts no attn_mask, so that torch chooses another kernel.{several}",
            cause=f"mask-table:{pattern}",
            count=len(found),
            fix=fix,
            evidence=(
                f"attn_mask of shape {list(table.shape)}, {table.dtype}, compared element by element in this run",
            ),
            via=seen.via(node.stack, frame),
            **at_frame(seen, frame),
        )


CHECK = Check(
    code="CD506",
    name="mask-table",
    severity="info",
    category="kernels",
    summary="SDPA gets a table of all pairs of tokens as `attn_mask`, which equals a mask that needs none.",
    explanation="""\
A mask of queries × keys takes memory with the square of the tokens, which is what a fused kernel avoids. Many such tables
say no more than an argument does: a causal order (is_causal=True), padding (a mask of shape (batch, 1, 1, keys)), a
sliding window or both (a BlockMask of flex_attention). On CUDA, FlashAttention takes no attn_mask, so torch falls back to
another backend. The finding is reported only if the mask of this run, computed again from the inputs of its graph, equals
one of these masks in every element. Masks below 1,024 × 1,024, biases, and other patterns (documents) are not reported, and
neither are masks of calls outside graphs: their values are not seen.
""",
    detect=detect,
    options="--backend inductor",
    fires="""\
import torch
import torch.nn.functional as F


class Attention(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.ones(2048, 2048, dtype=torch.bool).tril())

    def forward(self, q, k, v):
        tokens = q.shape[2]
        return F.scaled_dot_product_attention(q * 2, k, v, attn_mask=self.seen[:tokens, :tokens])


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 1024, 32) for _ in range(3))
""",
    silent="""\
import torch
import torch.nn.functional as F


class Attention(torch.nn.Module):
    def forward(self, q, k, v):
        return F.scaled_dot_product_attention(q * 2, k, v, is_causal=True)


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 1024, 32) for _ in range(3))
""",
)

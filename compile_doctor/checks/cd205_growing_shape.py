"""CD205: one dimension grows from call to call under static shapes."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.recompiles.kinds import grows
from compile_doctor.checks.base import Check, recompile_values
from compile_doctor.model.findings import Finding


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    for group in seen.recompiled:
        if group.guard.kind == "size" and grows(seen, group):
            guard = group.guard
            sizes = [guard.was or "?", *(found.now or "?" for found in group.guards)]
            yield CHECK.finding(
                f"Recompiled for a growing shape: {guard.source}",
                f"Dimension {guard.dimension} of `{guard.source}` grows from call to call "
                f"({', '.join(sizes[:5])}{', …' if len(sizes) > 5 else ''}), and each size compiles {group.function} again.",
                fix="Compile decoding with dynamic=True, or leave `dynamic` out; or allocate the cache at its full size at once "
                "and mask what is not filled. (Prefill may keep dynamic=False, with a BlockMask.)",
                **recompile_values(seen, group),
            )


CHECK = Check(
    code="CD205",
    name="growing-shape-recompile",
    severity="warning",
    category="recompiles",
    summary="One dimension grows from call to call (a KV cache in decode) under static shapes.",
    explanation="""\
With `dynamic=False` every size gets its own graph. A cache that grows with torch.cat during decoding has a new size at
every token, so every token compiles, until the recompile limit (CD202). With dynamic shapes one graph serves all sizes.
A cache that has its full size from the start needs no dynamic shapes at all.
""",
    detect=detect,
    fires="""\
import torch


class Decoder(torch.nn.Module):
    def forward(self, query, cache):
        return (query @ cache.transpose(-1, -2)).softmax(-1) @ cache


def build_model():
    return torch.compile(Decoder(), backend="eager", dynamic=False)


def example_input_sets():
    return [(torch.randn(1, 1, 8), torch.randn(1, tokens, 8)) for tokens in (4, 5, 6, 7)]
""",
    silent="""\
import torch


class Decoder(torch.nn.Module):
    def forward(self, query, cache):
        return (query @ cache.transpose(-1, -2)).softmax(-1) @ cache


def build_model():
    return torch.compile(Decoder(), backend="eager", dynamic=True)


def example_input_sets():
    return [(torch.randn(1, 1, 8), torch.randn(1, tokens, 8)) for tokens in (4, 5, 6, 7)]
""",
)

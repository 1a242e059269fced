"""CD308: create_block_mask materialises a mask of all pairs at each call."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.attention.calls import place
from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks import needs
from compile_doctor.checks.attention_program import PLAIN
from compile_doctor.checks.attention_values import at_frame
from compile_doctor.checks.base import Check
from compile_doctor.model.attention import MaskMade
from compile_doctor.model.findings import Finding
from compile_doctor.model.sizes import human
from compile_doctor.model.stacks import Frame, function_name

_ONCE = (
    "Create the mask once per shape and keep it (a dictionary by length, or functools.lru_cache). If it must change, "
    "compile it: torch.compile(create_block_mask)."
)
_DECODING = (
    "Create the mask once and keep it. In a decode loop, create one for the whole cache with BlockMask.from_kv_blocks and "
    "all of its blocks. Its mask_mod reads the position from a tensor that is updated in place (position.fill_(…)), and "
    "mask.kv_num_blocks.fill_(position // 128 + 1) leaves out the blocks that are still empty."
)


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    pairs = max((verdict.site.dense_bytes or 0 for verdict in seen.attention), default=0)
    groups: dict[tuple[str, int], list[MaskMade]] = {}
    frames: dict[tuple[str, int], Frame] = {}
    for made in seen.evidence.attention.masks:
        frame = place(made.stack, seen.torch_root)
        if frame is not None:
            groups.setdefault((frame.file, frame.line), []).append(made)
            frames[frame.file, frame.line] = frame
    for key, found in groups.items():
        largest = max(made.largest for made in found)
        peak = max(made.peak for made in found)
        grid = f", {largest / pairs:.1f} times the float32 scores of this model's attention" if pairs else ""
        decoding = all(made.queries and made.keys and made.queries < made.keys for made in found)
        yield CHECK.finding(
            "A new BlockMask is created at each call, uncompiled",
            "create_block_mask runs in Python at each call, and materialises a mask of "
            + (
                f"{found[0].queries:,} × {found[0].keys:,} pairs of queries and keys: {human(peak)} in this run, each time."
                if decoding
                else f"all pairs of tokens: {human(peak)} in this run, which grows with the square of the tokens."
            ),
            count=len(found),
            cause="mask-per-call",
            fix=_DECODING if decoding else _ONCE,
            evidence=(
                f"its largest allocation was {human(largest)}{grid}",
                f"called {len(found)}× in one call of the model",
            ),
            **at_frame(seen, frames[key]),
        )
    seen_lines = {(frame.file, frame.line) for frame in frames.values()}
    compiled = {function_name(c.function) for c in seen.evidence.compilations if c.guarded}
    for hint in seen.static.masks_in_forward:
        if (hint.file, hint.line) not in seen_lines and "forward" not in compiled:
            yield CHECK.finding(
                "A BlockMask is created in forward",
                "forward calls create_block_mask with a function that it also creates: according to the source, at each call.",
                severity="info",
                location=seen.location(hint.file, hint.line, hint.function.rsplit(".", 1)[-1]),
                owner=seen.owner(hint.file),
                cause="mask-in-forward",
                fix="Create the mask once per shape and keep it.",
                evidence=("found in the source; this run did not show it",),
            )


CHECK = Check(
    code="CD308",
    name="block-mask-materialised",
    severity="warning",
    category="attention",
    needs=(needs.profiler,),
    summary="create_block_mask runs uncompiled on every call, and builds an O(S²) mask.",
    explanation="""\
Outside compiled code `create_block_mask` evaluates the mask for every pair of tokens and materialises the result before
it reduces it to blocks: 268 MB of booleans at 16,384 tokens, and several times that in between. Once, that may be
acceptable; at each call it costs more than the attention. The evidence is a profiled call: which line called it, and
what it allocated.
""",
    detect=detect,
    fires="""\
import torch
from torch.nn.attention.flex_attention import create_block_mask, flex_attention


@torch.compiler.disable
def window(tokens):
    return create_block_mask(near, None, None, tokens, tokens, device="cpu")


def near(b, h, q, k):
    return (q - k).abs() <= 32


class Attention(torch.nn.Module):
    def forward(self, q, k, v):
        return flex_attention(q, k, v, block_mask=window(q.shape[-2]))


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(1, 2, 512, 32) for _ in range(3))
""",
    silent=PLAIN,
)

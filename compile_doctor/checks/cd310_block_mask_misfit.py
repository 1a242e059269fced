"""CD310: flex_attention gets a BlockMask that was made for another batch, or for other heads, than the query has."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.attention.block_masks import Misfit, fatal, misfits
from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks.attention_values import at_frame
from compile_doctor.checks.base import Check
from compile_doctor.checks.block_mask_words import evidence_of, fix, sizes
from compile_doctor.model.findings import Finding
from compile_doctor.model.tolerances import TOLERATED


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    told = fatal(seen.evidence)  # CD107 has it
    found: dict[tuple[str, int], list[Misfit]] = {}
    for one in misfits(seen.evidence):
        if one != told:
            found.setdefault((one.frame.file, one.frame.line), []).append(one)
    differs = _difference(seen)
    for same in found.values():
        first = same[0]
        yield CHECK.finding(
            "The BlockMask does not fit the query",
            f"{sizes(first)}. {_effect(first)}{f' In this run {differs}.' if differs else ''}",
            cause="block-mask-repeated" if first.repeats else "block-mask-misfit",
            severity="warning" if first.repeats and not differs else CHECK.severity,
            count=len(same),
            fix=fix(first),
            evidence=tuple(dict.fromkeys(evidence_of(one) for one in same)),
            via=seen.via(first.stack, first.frame),
            **at_frame(seen, first.frame),
        )


def _difference(seen: AnalysisContext) -> str:
    """That the results differ from eager's, beyond CD601's tolerance; empty if they do not, or were not compared."""
    difference, largest = seen.evidence.max_difference, seen.evidence.facts.largest_output
    if difference is None or not largest or difference <= TOLERATED * largest:
        return ""
    return f"compiled and eager differ by up to {difference:.2g}; the largest eager value is {largest:.2g}"


def _effect(one: Misfit) -> str:
    if one.repeats:
        return (
            "torch checks neither. The compiled kernel repeats the mask, on a CPU each entry in turn (0, 0, 1, 1), on a GPU "
            "the whole mask (0, 1, 0, 1). The blocks of the entries differ, so that a row can skip keys that it should see."
        )
    return (
        "torch checks neither. The compiled CPU kernel looks up the mask at places that it does not have: the process dies, or "
        "the result is wrong. According to torch's sources a GPU's kernel takes the remainder, and gives some rows the blocks of "
        "another if the mask has fewer entries."
    )


CHECK = Check(
    code="CD310",
    name="block-mask-misfit",
    severity="error",
    category="attention",
    summary="`flex_attention` gets a BlockMask made for another batch, or other heads, than the query has, which torch does not check.",
    explanation="""\
A BlockMask has a batch and heads: the B and H of create_block_mask. None (or 1) fits every query, and so does the query's
own number. torch compares only the lengths. With another batch or other heads the eager path is right, because it evaluates
mask_mod itself, and the compiled kernel is not: it looks up the wrong blocks, or reads outside of the mask. On a CPU the
process can end with SIGFPE or SIGSEGV; then the finding is CD107, which names the mask. A mask for the heads of keys and
values (grouped queries) is such a mask too. If the mask could be repeated, the finding is reported only if its blocks
differ in this run. Upstream: https://github.com/pytorch/pytorch/issues/172225
""",
    detect=detect,
    fires="""\
import torch
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

LENGTHS = torch.tensor([100, 200, 300, 400])


def visible(b, h, q, k):
    return k < LENGTHS[b]


class Attention(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.mask = create_block_mask(visible, 4, None, 512, 512, device="cpu")

    def forward(self, q, k, v):
        return flex_attention(q, k, v, block_mask=self.mask)


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(2, 2, 512, 32) for _ in range(3))  # the last batch of an epoch
""",
    silent="""\
import torch
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

LENGTHS = torch.tensor([100, 200, 300, 400])


def visible(b, h, q, k):
    return k < LENGTHS[b]


class Attention(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.mask = create_block_mask(visible, 2, None, 512, 512, device="cpu")

    def forward(self, q, k, v):
        return flex_attention(q, k, v, block_mask=self.mask)


def build_model():
    return Attention()


def example_inputs():
    return tuple(torch.randn(2, 2, 512, 32) for _ in range(3))
""",
)

"""CD602: decoding with a cache differs from the full run; names the first position, and the cause if a trial found it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.numerics.statuses import decoded_eagerly, described
from compile_doctor.checks import needs
from compile_doctor.checks.base import Check
from compile_doctor.checks.raised_values import hook, values_of
from compile_doctor.model.comparisons import Comparison
from compile_doctor.model.findings import Finding
from compile_doctor.model.tolerances import judge, worst

_OFFSET = (
    "Position offset: positions start at 0 in every chunk",
    "Start at the chunk's first position: torch.arange(start, start + T), table[start : start + T]. start is the number "
    "of positions that are in the cache.",
)
_TRIANGLE = (
    "Position offset in the mask: its triangle is aligned at the top left",
    "Query i of a chunk has position start + i. In SDPA, pass attn_mask=torch.ones(T, S, dtype=torch.bool).tril(S - T) "
    "instead of is_causal=True, or torch.nn.attention.bias.causal_lower_right(T, S). With one query, pass no mask.",
)
_KINDS = {
    "arange": _OFFSET,
    "slice": _OFFSET,
    "causal": _TRIANGLE,
    "triangle": _TRIANGLE,
    "write": (
        "The cache is overwritten: every chunk is written at row 0",
        "Write to the chunk's own rows: cache[:, :, start : start + T] = k.",
    ),
}
_TRIED = {
    "arange": "torch.arange at {} started at the chunk's first position",
    "slice": "the slice at {} started at the chunk's first position",
    "write": "the rows written at {} started at the chunk's first position",
    "causal": "the causal mask at {} aligned at the bottom right",
    "triangle": "the triangle at {} aligned at the bottom right",
}
_OFF_BY_ONE = {
    "arange": ("positions are counted", "the positions at {}"),
    "slice": ("a table is read", "the slice at {}"),
    "write": ("the cache is written", "the rows written at {}"),
    "triangle": ("the mask's triangle starts", "the diagonal at {}"),
}
"""The place, for the title; and what was moved."""


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    failed = [one for one in seen.evidence.comparisons if decoded_eagerly(one) and judge(one) == "FAIL"]
    raised = [one for one in failed if not one.rows]
    if raised:
        yield CHECK.finding(
            f"{hook(raised[0])} raises without torch.compile",
            cause="decode:raises",
            fix="Fix full() first: without it, decoding cannot be compared with anything."
            if raised[0].case == "full"
            else "Fix the call at this line: full() computes the same positions without it.",
            **values_of(seen, raised),
        )
    wrong = [one for one in failed if one.rows]
    if not wrong:
        return
    wrong.sort(key=lambda one: one.positions.chunk if one.positions else 0)
    first = wrong[0]
    explained = next((one.explained for one in wrong if one.explained), None)
    values: dict[str, Any] = {"cause": "decode"}
    title = "Decoding with the cache differs from the full run"
    fix = (
        "Check what a chunk takes from the chunks before it: its positions, the rows of the cache that it writes and "
        "reads, and the mask's row for its first query."
    )
    shifts = {one.positions.shift if one.positions else None for one in wrong}
    tried = []
    if explained:
        title, fix = _KINDS[explained.kind]
        what, cause = _TRIED[explained.kind], f"decode:{explained.kind}"
        if explained.by:
            where, what = _OFF_BY_ONE[explained.kind]
            title, cause = f"Position offset: off by one where {where}", f"{cause}:off-by-one"
            what += f" moved by {explained.by:+d}"
            fix = (
                "A chunk starts at the number of positions that are in the cache before it. Read that number before the "
                "chunk's own positions are added, and add nothing to it."
            )
        frame = explained.frame
        more = explained.sites - 1
        place = f"{frame.file}:{frame.line}" + (f" and {more} more line{'s' * (more != 1)}" if more > 0 else "")
        values = {
            "cause": cause,
            "location": seen.location(frame.file, frame.line, frame.function),
        }
        tried = [f"chunk {explained.chunk} was run once more with {what.format(place)}: the result equals full()"]
    elif len(shifts) == 1 and (shift := shifts.pop()) is not None:
        title = f"Position offset: the decoded output is shifted by {abs(shift)} position{'s' * (abs(shift) != 1)}"
        fix = "For each position, return the row that full() returns for it."
        values["cause"] = "decode:shift"
        tried = [
            f"row p of incremental() is row p {'+' if shift > 0 else '-'} {abs(shift)} of full(), at every p that differs"
        ]
    yield CHECK.finding(
        title,
        _where(first) + (f" Chunks of {_listed(wrong[1:])} differ too." if len(wrong) > 1 else ""),
        fix=fix,
        evidence=(*tried, *map(_line, wrong), "all runs were in eager mode: torch.compile has no part in it"),
        **values,
    )


def _where(one: Comparison) -> str:
    found = one.positions
    if found is None or found.first is None:
        return f"incremental() in {one.case.replace('-', ' of ')}: {one.rows[0].note}."
    chunk = found.first // found.chunk
    named = "already in the first chunk, where the cache is empty" if chunk == 0 else f"in chunk {chunk + 1}"
    if chunk and found.first % found.chunk == 0:
        named = (
            f"the first of chunk {chunk + 1}"
            if found.chunk > 1
            else "the first after something is in the cache" * (chunk == 1)
        )
    return (
        f"In chunks of {found.chunk}, position {found.first} is the first that differs from the full run"
        f"{', ' + named if named else ''}; {found.differing} of {found.length} positions differ."
    )


def _line(one: Comparison) -> str:
    row = worst(one)
    at = f"first at position {one.positions.first}, " if one.positions and one.positions.first is not None else ""
    return f"{one.case}: {at}{described(row, one.depth) if row else ''}"


def _listed(wrong: list[Comparison]) -> str:
    sizes = [str(one.positions.chunk) if one.positions else one.case for one in wrong]
    return " and ".join(filter(None, [", ".join(sizes[:-1]), sizes[-1]]))


CHECK = Check(
    code="CD602",
    name="decode-prefill-mismatch",
    severity="error",
    category="numerics",
    needs=(needs.comparison(decoding=True),),
    summary="Decoding with a cache does not equal the full-sequence run (`--numerics`, for a target that offers both).",
    explanation="""\
If a target file has `full(model, inputs)` and `incremental(model, inputs, chunk)`, `--numerics` and `parity` run both:
the whole sequence at once, and with its cache, `chunk` positions per call, for chunks of 1 and several larger sizes.
Both return the same tensor, with positions in the second to last dimension (of token ids: the last). Each run starts
with a new model, in eval mode, without torch.compile. If these agree, the compiled model is decoded too (a difference
is then CD601).

A hook that raises is a finding with the exception and its line.

The finding names the first position that differs. compile-doctor tests the cause instead of guessing it: it repeats the
run with one kind of call at one line changed:

- a `torch.arange(T)` or a slice `table[:T]` that starts at the chunk's first position instead of 0
- a write `cache[..., :T] = k` at the chunk's own rows
- a causal triangle aligned at the bottom right (torch's `is_causal=True` aligns it at the top left: one query sees one
  key only)
- positions, slices and diagonals moved by one, if they follow the chunk already

If the output then equals that of the full run, that line is the cause. If none of these changes it, the finding names
only the position that differs.
""",
    detect=detect,
    options="--backend eager --numerics",
    fires="""\
import torch
from torch import nn


class Positions(nn.Module):
    def __init__(self):
        super().__init__()
        self.token, self.position = nn.Embedding(50, 16), nn.Embedding(32, 16)
        self.mix = nn.Linear(16, 16)

    def forward(self, ids, cache=None):
        x = self.token(ids) + self.position(torch.arange(ids.shape[1]))
        seen = torch.cat([*(cache or []), x], 1)
        before = seen.shape[1] - x.shape[1]
        total = seen.cumsum(1)[:, before:]
        if cache is not None:
            cache[:] = [seen]
        return self.mix(total)


def build_model():
    return Positions()


def example_inputs():
    return (torch.randint(50, (2, 12)),)


def full(model, inputs):
    return model(*inputs)


def incremental(model, inputs, chunk):
    cache = []
    return torch.cat([model(part, cache) for part in inputs[0].split(chunk, 1)], 1)
""",
    silent="""\
import torch
from torch import nn


class Positions(nn.Module):
    def __init__(self):
        super().__init__()
        self.token, self.position = nn.Embedding(50, 16), nn.Embedding(32, 16)
        self.mix = nn.Linear(16, 16)

    def forward(self, ids, cache=None):
        start = cache[0].shape[1] if cache else 0
        x = self.token(ids) + self.position(torch.arange(start, start + ids.shape[1]))
        seen = torch.cat([*(cache or []), x], 1)
        before = seen.shape[1] - x.shape[1]
        total = seen.cumsum(1)[:, before:]
        if cache is not None:
            cache[:] = [seen]
        return self.mix(total)


def build_model():
    return Positions()


def example_inputs():
    return (torch.randint(50, (2, 12)),)


def full(model, inputs):
    return model(*inputs)


def incremental(model, inputs, chunk):
    cache = []
    return torch.cat([model(part, cache) for part in inputs[0].split(chunk, 1)], 1)
""",
)

"""CD602: decoding with a cache is another than the full run; says which position, and why where that was tried out."""

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
    "Position offset: positions begin at 0 in every chunk",
    "Begin where the chunk does: torch.arange(start, start + T), table[start : start + T], with the number of positions "
    "that are in the cache as start.",
)
_TRIANGLE = (
    "Position offset in the mask: its triangle begins at the top left",
    "Query i of a chunk stands at position start + i. In SDPA: attn_mask=torch.ones(T, S, dtype=torch.bool).tril(S - T) in place "
    "of is_causal=True, or torch.nn.attention.bias.causal_lower_right(T, S); with one query no mask at all.",
)
_KINDS = {
    "arange": _OFFSET,
    "slice": _OFFSET,
    "causal": _TRIANGLE,
    "triangle": _TRIANGLE,
    "write": (
        "The cache is overwritten: every chunk is written at row 0",
        "Write at the chunk's own rows: cache[:, :, start : start + T] = k.",
    ),
}
_TRIED = {
    "arange": "torch.arange at {} begun at the chunk's first position",
    "slice": "the slice at {} begun at the chunk's first position",
    "write": "the rows written at {} begun at the chunk's first position",
    "causal": "the causal mask at {} aligned at the bottom right",
    "triangle": "the triangle at {} aligned at the bottom right",
}
_OFF_BY_ONE = {
    "arange": ("positions are counted", "the positions at {}"),
    "slice": ("a table is read", "the slice at {}"),
    "write": ("the cache is written", "the rows written at {}"),
    "triangle": ("the mask's triangle begins", "the diagonal at {}"),
}
"""Where, in the title; and what was moved."""


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    failed = [one for one in seen.evidence.comparisons if decoded_eagerly(one) and judge(one) == "FAIL"]
    raised = [one for one in failed if not one.rows]
    if raised:
        yield CHECK.finding(
            f"{hook(raised[0])} raises without torch.compile",
            cause="decode:raises",
            fix="Correct full() first: there is nothing that decoding could be compared with."
            if raised[0].case == "full"
            else "Correct the call at this line: full() computes the same positions without it.",
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
        "Look at what a chunk takes from the ones before it: the positions that it is given, the rows of the cache that it "
        "writes and reads, and the mask's row for its first query."
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
                "A chunk begins at the number of positions that are in the cache before it: take that number before "
                "the chunk's own are added, and add nothing to it."
            )
        frame = explained.frame
        place = f"{frame.file}:{frame.line}" + (f" and {explained.sites - 1} more lines" if explained.sites > 1 else "")
        values = {
            "cause": cause,
            "location": seen.location(frame.file, frame.line, frame.function),
        }
        tried = [f"chunk {explained.chunk} was run once more with {what.format(place)}: equal to full()"]
    elif len(shifts) == 1 and (shift := shifts.pop()) is not None:
        title = f"Position offset: the decoded output is shifted by {abs(shift)} position{'s' * (abs(shift) != 1)}"
        fix = "Return for each position the row that full() returns for it."
        values["cause"] = "decode:shift"
        tried = [
            f"row p of incremental() is row p {'+' if shift > 0 else '-'} {abs(shift)} of full(), at every p that differs"
        ]
    yield CHECK.finding(
        title,
        _where(first) + (f" So do chunks of {_listed(wrong[1:])}." if len(wrong) > 1 else ""),
        fix=fix,
        evidence=(*tried, *map(_line, wrong), "all in eager mode: torch.compile has no part in it"),
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
            else "the first with something in the cache" * (chunk == 1)
        )
    return (
        f"In chunks of {found.chunk}, position {found.first} is the first that differs from the full run"
        f"{', ' + named if named else ''}; {found.differing} of {found.length} positions do."
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
    summary="Decoding with a cache does not equal the full-sequence run; looked at with `--numerics`, where the target offers both.",
    explanation="""\
A target file that has `full(model, inputs)` and `incremental(model, inputs, chunk)` is run both ways under `--numerics`, and
in `parity`: the whole sequence at once, and with its cache, `chunk` positions at a time, for 1 and several larger chunks.
Both return the same tensor, with positions in the last but one dimension (of token ids: the last). Each run begins with a
fresh model, in eval mode, without torch.compile; where these agree, the compiled model is decoded too (then a difference is
CD601).

A hook that raises is a finding with the exception and its line.

The finding names the first position that differs. Why it does is tried out, not guessed: the run is repeated with one kind
of call at one line changed. A `torch.arange(T)` or a slice `table[:T]` that begins where the chunk does in place of 0; a
write `cache[..., :T] = k` at the chunk's own rows; a causal triangle aligned at the bottom right (torch's `is_causal=True`
aligns it at the top left, where one query sees one key only). Or positions, slices and diagonals moved by one, where they
follow the chunk already. Where the output then equals the full run's, that line is the
cause. Where none of these does it, the finding says which position differs and no more.
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

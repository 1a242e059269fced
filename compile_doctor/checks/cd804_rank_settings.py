"""CD804: ranks run with different versions or settings."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.ranks.causes import rank_condition
from compile_doctor.analysis.ranks.compile_calls import CallSetting, differing_calls
from compile_doctor.analysis.ranks.surroundings import FOLLOWS, Setting, differing
from compile_doctor.checks.base import Check
from compile_doctor.checks.ranks_in_words import who
from compile_doctor.model.findings import Finding
from compile_doctor.model.stacks import Frame

SHOWN = 6
_VERSIONS = ("torch", "python", "platform", "cuda", "rocm", "xpu", "gpu", "device")


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    calls = list(differing_calls(seen.evidence.ranks))
    told = {(name, tuple(one.values.values())) for one in calls for name in FOLLOWS.get(one.name, ())}
    rest = [one for one in differing(seen.evidence.ranks) if (one.option, tuple(one.values.values())) not in told]
    by_call: dict[tuple[Frame, str], list[CallSetting]] = {}
    for one in calls:
        by_call.setdefault((one.at, one.function), []).append(one)
    for together in by_call.values():
        yield _of_call(seen, together)
    if rest:
        yield _of_rank(seen, rest)


def _of_call(seen: AnalysisContext, together: list[CallSetting]) -> Finding:
    first = together[0]
    names = " and ".join(f"`{one.name}`" for one in together)
    condition = rank_condition(seen.evidence.sources, first.at.file, first.at.line)
    lines = [_line(seen, one) for one in together]
    decides = f" What varies: the rank, in `{condition}`." if condition else ""
    others = tuple(sorted({number for one in together for number in _others(one)}))
    return CHECK.finding(
        f"torch.compile has another {names} on some ranks",
        f"`{first.function}` is compiled with {'. '.join(lines)}.{decides} {_EFFECTS[first.name]}",
        location=seen.location(first.at.file, first.at.line, first.at.function),
        owner=seen.owner(first.at.file),
        cause=f"compile:{'+'.join(one.name for one in together)}",
        fix=f"Pass the same {names} to torch.compile on all ranks.",
        ranks=others,
        evidence=tuple(lines),
    )


def _of_rank(seen: AnalysisContext, found: list[Setting]) -> Finding:
    others = tuple(sorted({number for one in found for number in _others(one)}))
    lines = [_line(seen, one) for one in found]
    more = f" And {len(lines) - SHOWN} more: -v." if len(lines) > SHOWN else ""
    versions = any(one.name in _VERSIONS for one in found)
    return CHECK.finding(
        f"Ranks run with different {'versions' if versions else 'settings'}: {found[0].name}",
        f"{'. '.join(lines[:SHOWN])}.{more} With other {'versions' if versions else 'settings'}, ranks may compile other graphs and kernels.",
        cause=found[0].name,
        fix="Start all ranks with the same environment, and set torch's options on all of them alike.",
        count=len(found),
        ranks=others,
        evidence=tuple(lines),
    )


def _line(seen: AnalysisContext, one: Setting | CallSetting) -> str:
    """`backend: inductor on rank 0; eager on rank 1`."""
    values = list(one.values.items())[:4]
    return f"{one.name}: " + "; ".join(f"{value[:80]} on {who(seen, numbers)}" for value, numbers in values)


def _others(one: Setting | CallSetting) -> tuple[int, ...]:
    """The ranks without the most frequent value."""
    return tuple(sorted(number for numbers in list(one.values.values())[1:] for number in numbers))


_EFFECTS = {
    "backend": "Ranks with another backend run other code: its results may differ, and its compile time, for which the others wait.",
    "mode": "Ranks in another mode run other kernels: their results may differ in rounding, and their compile time, for which the others wait.",
    "dynamic": "Ranks with another `dynamic` compile other graphs, and compile again at other sizes: the others wait for them.",
    "fullgraph": "At a graph break, ranks with `fullgraph=True` raise an error, and the others go on: they wait for the failed ones at the next collective.",
    "options": "Ranks with other options run other kernels: their results may differ in rounding, and their compile time, for which the others wait.",
}


CHECK = Check(
    code="CD804",
    name="rank-settings-differ",
    severity="warning",
    category="ranks",
    compares_ranks=True,
    summary="Ranks run with different versions of torch, other variables, other settings of Dynamo or Inductor, or pass something else to torch.compile.",
    explanation="""\
Compared are versions, the device, variables such as `TORCHDYNAMO_…`, and the settings of Dynamo and Inductor, as torch wrote them at the
first compilation of each rank. Folders, ports, thread counts and visible devices may differ and are left out.
Compared are also `backend`, `mode`, `dynamic`, `fullgraph` and `options` of each call of torch.compile: those of calls in the same function
that compile the same thing, on ranks of the same stage of a pipeline. These have a finding each, at the call.
""",
    detect=detect,
)

"""CD802: the graphs of some ranks have other collectives, or in another order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.ranks.causes import condition_in, rank_condition
from compile_doctor.analysis.ranks.collectives import Mismatch, mismatches
from compile_doctor.analysis.ranks.comparable import Pair, pairs
from compile_doctor.checks.base import Check
from compile_doctor.checks.ranks_in_words import odd_ones, sentence, who
from compile_doctor.model.findings import Finding
from compile_doctor.model.stacks import function_name
from compile_doctor.source import locations

SHOWN = 4


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    found: dict[tuple[str, int], list[tuple[Pair, Mismatch]]] = {}
    for pair in pairs(seen.evidence.ranks):
        for one in mismatches(pair.usual.group.steps, pair.other.group.steps):
            found.setdefault((one.file, one.line), []).append((pair, one))
    for together in found.values():
        yield _finding(seen, together)


def _finding(seen: AnalysisContext, together: list[tuple[Pair, Mismatch]]) -> Finding:
    pair, one = together[0]
    others = tuple(sorted(number for each, _ in together for number in each.other.numbers))
    odd = odd_ones([(each, _more(two)) for each, two in together])
    at = next((frame for frame in one.lines if frame and seen.owner(frame.file) == "mine"), None)
    sources, name = seen.evidence.sources, function_name(one.function)
    line = locations.definition_line(sources, one.file, one.line, name)
    place = (at.file, at.line, at.function) if at else (one.file, line, name)
    condition = rank_condition(sources, place[0], place[1]) or condition_in(sources, one.file, one.line)[0]
    location = seen.location(*place)
    calls = (
        f"{sentence(who(seen, pair.usual.numbers))} call{'s' * (len(pair.usual.numbers) == 1)} {_named(one.usual)} there, "
        f"{who(seen, others)} {_named(one.other)}."
    )
    if one.all_ranks:
        risk = (
            "All ranks belong to this group, so each has to make the same calls in the same order. Otherwise they wait for each "
            "other until the time limit, or compute with the wrong data."
        )
    else:
        risk = "If these ranks belong to one process group, they wait for each other until the time limit."
    why = f" What varies: the rank, in `{condition}`." if condition else ""
    return CHECK.finding(
        f"Other collectives on some ranks: {location.function}",
        f"In its graph, collective number {one.at + 1} differs. {calls}{why} {risk}",
        severity="error" if one.all_ranks else "warning",
        location=location,
        owner=seen.owner(location.file),
        cause="rank" if condition else "other",
        fix="Make every collective run on all ranks of its group, in the same order: move it out of the branch, and let ranks with nothing to send take part with zeros.",
        count=len(odd),
        ranks=odd,
        evidence=tuple(
            f"{who(seen, cohort.numbers)}: {_named(calls, 8)}"
            for each, two in together[:SHOWN]
            for cohort, calls in ((each.usual, two.usual), (each.other, two.other))
        ),
    )


def _more(one: Mismatch) -> str:
    return "" if len(one.usual) == len(one.other) else "usual" if len(one.usual) > len(one.other) else "other"


def _named(calls: Sequence[str], most: int = 2) -> str:
    """The next calls, or that there is none."""
    if not calls:
        return "none"
    more = f", and {len(calls) - most} more" if len(calls) > most else ""
    return ", ".join(calls[:most]) + more


CHECK = Check(
    code="CD802",
    name="collectives-differ",
    severity="error",
    category="ranks",
    compares_ranks=True,
    effect=(
        "calls other collectives on some ranks, which can hang",
        "call other collectives on some ranks, which can hang",
    ),
    summary="The same function calls other collectives, or in another order, in the graphs of some ranks: this can hang.",
    explanation="""\
A collective (all_reduce, all_gather, …) ends only if all ranks of its group call it, in the same order. torch.compile puts collectives
into graphs, those of DTensor too. If the graphs of two ranks have different ones, the ranks wait for each other until the time limit
of the process group, or combine data that do not belong together. Only graphs that were recorded are compared: a collective outside of
graphs leaves no trace. For the group of all ranks it is an error. For a smaller group it is a warning, because the trace does not name
its members.
""",
    detect=detect,
)

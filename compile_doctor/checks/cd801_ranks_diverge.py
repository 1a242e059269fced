"""CD801: some ranks compile something else than the others."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.ranks.causes import condition_in, rank_condition
from compile_doctor.analysis.ranks.collectives import mismatches
from compile_doctor.analysis.ranks.comparable import Pair, pairs
from compile_doctor.analysis.ranks.divergence import Parting, parting
from compile_doctor.checks.base import Check
from compile_doctor.checks.ranks_in_words import do, odd_ones, sentence, who
from compile_doctor.model.findings import Finding
from compile_doctor.model.stacks import function_name
from compile_doctor.source import locations

_TITLES = {
    "break": "breaks the graph on some ranks only",
    "graph": "is another graph on some ranks",
    "frame": "is compiled on some ranks only",
    "order": "is compiled in another order on some ranks",
    "error": "is compiled to the end on some ranks only",
}


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    found: dict[tuple[str, str, int], list[tuple[Pair, Parting]]] = {}
    for pair in pairs(seen.evidence.ranks):
        one = parting(pair.usual.group.steps, pair.other.group.steps)
        if one is not None:
            found.setdefault((one.kind, one.file, one.line), []).append((pair, one))
    for together in found.values():
        yield _finding(seen, together)


def _finding(seen: AnalysisContext, together: list[tuple[Pair, Parting]]) -> Finding:
    pair, one = together[0]
    others = tuple(sorted(number for each, _ in together for number in each.other.numbers))
    odd = odd_ones([(each, found.extra) for each, found in together])
    sources = seen.evidence.sources
    name = function_name(one.function)
    condition, line = rank_condition(sources, one.file, one.line), one.line
    if not condition and one.kind == "graph":
        condition, at = condition_in(sources, one.file, one.line)
        line = at or line
    if one.kind in ("graph", "frame", "order") and not condition:
        line = one.exact or locations.definition_line(sources, one.file, one.line, name)
    location = seen.location(one.file, line, name)
    differ = _difference(seen, pair, one, others)
    hang = any(next(mismatches(each.usual.group.steps, each.other.group.steps), None) for each, _ in together)
    same = any(step.collectives for each, _ in together for step in each.other.group.steps)
    effect = "At the next collective, each rank waits for the compilations of the others."
    if hang:
        effect += " The collectives in the graphs differ too, which can hang: see CD802."
    elif same:
        effect += " The collectives in the graphs that all of them compile are the same."
    why = f" What varies: the rank, in `{condition}`." if condition else ""
    return CHECK.finding(
        f"{location.function} {_TITLES[one.kind]}",
        f"{differ} Here the ranks part first.{why} {effect}",
        location=location,
        owner=seen.owner(one.file),
        cause=f"{one.kind}:{'rank' if condition else 'other'}",
        fix=_fix(one, condition),
        count=len(odd),
        ranks=odd,
        evidence=tuple(_evidence(seen, together)),
    )


def _difference(seen: AnalysisContext, pair: Pair, one: Parting, others: tuple[int, ...]) -> str:
    """Who does what there; first who does more."""
    usual = pair.usual.numbers
    if not one.extra:
        if one.kind == "graph":
            return f"{sentence(who(seen, others))} {do(others, one.other)} from it than {who(seen, usual)}.{_operators(seen, one, others, usual)}"
        return f"{sentence(who(seen, others))} {do(others, one.other)}, and {who(seen, usual)} {do(usual, one.usual)}."
    sides = [(usual, one.usual), (others, one.other)]
    (first, does), (second, not_) = sides if one.extra == "usual" else sides[::-1]
    return f"{sentence(who(seen, first))} {do(first, does)}, and {who(seen, second)} {do(second, not_)}."


def _operators(seen: AnalysisContext, one: Parting, others: tuple[int, ...], usual: tuple[int, ...]) -> str:
    """What each side computes first that the other does not."""
    mine, theirs = one.operators
    if mine is None and theirs is None:
        return ""
    here, there = f"on {who(seen, others)}", f"on {who(seen, usual)}"
    if mine and theirs and mine.plain == theirs.plain:
        return f" First difference: `{theirs.text}` gives {theirs.dtype} {here}, {mine.dtype} {there}."
    odd, even = (f"`{each.text}`" if each else "nothing more" for each in (theirs, mine))
    return f" First difference: {odd} {here}, {even} {there}."


def _fix(one: Parting, condition: str) -> str:
    if condition and one.kind == "break":
        return "Move what only one rank does out of the compiled function: return the value, and do it after the call."
    if condition:
        return f"Decide by the rank (`{condition}`) outside of the compiled function, and pass the result in as a tensor; or let all ranks compute the same."
    if one.kind == "order":
        return "Call the compiled functions in the same order on all ranks at their first use, in a warm-up step for example."
    if one.kind == "frame":
        return "Call the compiled function on all ranks. If only some ranks need it, compile it before training starts, so that nobody waits."
    return "Give all ranks the same code and inputs of the same kind. -v shows what each group of ranks compiled."


def _evidence(seen: AnalysisContext, together: list[tuple[Pair, Parting]]) -> Iterator[str]:
    for pair, one in together[:4]:
        for cohort in (pair.usual, pair.other):
            steps = cohort.group.steps
            near = [
                f"{step.label} {step.function} (line {step.line})" for step in steps[max(one.at - 1, 0) : one.at + 3]
            ]
            yield f"{who(seen, cohort.numbers)}: {len(steps)} compilations, around there {', '.join(near) or 'none'}"


CHECK = Check(
    code="CD801",
    name="ranks-diverge",
    severity="warning",
    category="ranks",
    compares_ranks=True,
    summary="Some ranks compile other frames or graphs than the others, in another order, or break where the others do not.",
    explanation="""\
The ranks of a distributed program should compile the same graphs in the same order. If one compiles more, the others wait for it
at the next collective, up to the time limit of NCCL, which ends the job. The finding has the first point at which ranks part; what
comes after it may follow from it. Ranks in different stages of a pipeline (a mesh dimension named `pp` or `stage`, or torch's
`PipelineStage`) are not compared.
`compile-doctor report CAPTURE -v` shows the figures of each rank.
""",
    detect=detect,
)

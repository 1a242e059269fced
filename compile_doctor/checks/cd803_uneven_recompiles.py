"""CD803: some ranks compile a function more often than others."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.ranks.comparable import Pair, pairs
from compile_doctor.analysis.ranks.divergence import Uneven, uneven, without_callers
from compile_doctor.analysis.recompiles.groups import Recompiled
from compile_doctor.analysis.recompiles.guards import Guard, parse
from compile_doctor.checks.base import Check
from compile_doctor.checks.ranks_in_words import s, sentence, who
from compile_doctor.model.findings import Finding
from compile_doctor.model.stacks import function_name
from compile_doctor.source import locations


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    found: dict[tuple[str, str], list[tuple[Pair, Uneven]]] = {}
    for pair in pairs(seen.evidence.ranks):
        differ = list(uneven(pair.usual.group.steps, pair.other.group.steps))
        for one in without_callers(differ, lambda file: seen.owner(file) == "torch"):
            if not locations.is_interior(one.file, one.function):
                found.setdefault((one.file, function_name(one.function)), []).append((pair, one))
    for together in found.values():
        yield _finding(seen, together)


def _finding(seen: AnalysisContext, together: list[tuple[Pair, Uneven]]) -> Finding:
    pair, one = max(together, key=lambda each: abs(each[1].other - each[1].usual))
    odd = tuple(
        sorted({n for each, two in together for n in (each.other if two.other > two.usual else each.usual).numbers})
    )
    more = pair.other if one.other > one.usual else pair.usual
    groups = _groups(seen, more.index, one)
    guards = [group.guard for group in groups] or [parse(reason) for reason in one.reasons]
    line = groups[0].line if groups else one.line
    file = groups[0].file if groups else one.file
    location = seen.location(file, line, groups[0].function if groups else function_name(one.function))
    varied = "; ".join(dict.fromkeys(guard.words for guard in guards[:3])) or "unknown, torch recorded no guard"
    return CHECK.finding(
        f"{location.function} is compiled more often on some ranks",
        f"{_again(seen, pair.other.numbers, one.other)}, {who(seen, pair.usual.numbers)} {_times(one.usual)}. What varies on {who(seen, more.numbers)}: {varied}. "
        "Each time, the other ranks wait at the next collective.",
        location=location,
        owner=seen.owner(file),
        cause=f"recompiles:{guards[0].key if guards else 'unknown'}",
        fix=_fix(guards),
        count=len(odd),
        ranks=odd,
        evidence=tuple(
            f"{who(seen, each.other.numbers)}: {_times(two.other)}; {who(seen, each.usual.numbers)}: {_times(two.usual)}"
            for each, two in together[:4]
        )
        + tuple(f"guard on {who(seen, more.numbers)}: {reason}" for reason in one.reasons[:4]),
    )


def _groups(seen: AnalysisContext, index: int, one: Uneven) -> list[Recompiled]:
    """The recompilations of that function, as the findings about this group of ranks have them."""
    own = seen.of_groups[index]
    if own is None:
        return []
    wanted = one.file, function_name(one.function)
    return [
        group
        for group in own.recompiled
        if any((each.file, function_name(each.function)) == wanted for each in group.compilations)
    ]


def _again(seen: AnalysisContext, numbers: tuple[int, ...], count: int) -> str:
    words = f"compile{s(numbers)} it again"
    return f"{sentence(who(seen, numbers))} {f'{words} {_times(count)}' if count else f'never {words}'}"


def _times(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")


def _fix(guards: list[Guard]) -> str:
    if any(guard.kind == "size" for guard in guards):
        return (
            "Give all ranks inputs of the same sizes (pad each batch to one length, drop_last=True), or make the size dynamic on all of "
            "them before the first call: torch._dynamo.mark_dynamic(x, dim). "
            "torch._dynamo.config.enable_compiler_collectives = True lets the ranks agree on what is dynamic."
        )
    if guards and all(guard.kind == "state" for guard in guards):
        return (
            "Each mode has a graph of its own. Call it in each mode on all ranks before training starts, so that nobody waits; "
            "or run that part (an evaluation) on all ranks, or with the module that is not compiled."
        )
    return "Make the value the same on all ranks, or pass it in as a tensor, which has no guard on its value."


CHECK = Check(
    code="CD803",
    name="uneven-recompiles",
    severity="warning",
    category="ranks",
    compares_ranks=True,
    summary="Some ranks compile a function more often than others, because sizes or values vary there.",
    explanation="""\
A recompilation on one rank makes all others wait at the next collective. If the sizes of batches vary by rank, each rank compiles at
another step, and the waits add up. The finding has the guard that failed, on the ranks that compile more often. Recompilations that all
ranks have alike are CD201 to CD206.
""",
    detect=detect,
)

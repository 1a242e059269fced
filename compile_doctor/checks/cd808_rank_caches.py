"""CD808: the caches of some ranks had a graph that others had to compile."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.ranks.caches import Asked, Colder, Reason, colder, reason
from compile_doctor.analysis.ranks.stragglers import stragglers
from compile_doctor.checks.base import Check
from compile_doctor.checks.ranks_in_words import s, sentence, who
from compile_doctor.model.findings import Finding
from compile_doctor.model.stacks import function_name

FOLDER = "TORCHINDUCTOR_CACHE_DIR"


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    ranks = seen.evidence.ranks
    told = {rank.number for one in stragglers(ranks) for rank in one.ranks}  # CD805 has their caches
    for found in colder(ranks):
        if not told.issuperset(found.missed):
            yield _finding(seen, found)


def _finding(seen: AnalysisContext, found: Colder) -> Finding:
    first = found.asked[0]
    why = reason(seen.evidence.ranks, first)
    words, fix = _explained(first, why)
    graphs = f"{len(found.asked)} graphs" if len(found.asked) > 1 else "a graph"
    return CHECK.finding(
        f"{sentence(who(seen, found.missed))} compile{s(found.missed)} what the caches of other ranks had",
        f"{sentence(who(seen, found.hit))} took {graphs} from torch's cache, and then waited {found.waited:.1f} s "
        f"for {who(seen, found.missed)}.{words}",
        location=seen.location(first.step.file, first.step.line, function_name(first.step.function)),
        owner=seen.owner(first.step.file),
        cause="bypass" if why.bypass else "key" if why.changed else "missed",
        fix=fix,
        count=len(found.asked),
        ranks=found.missed,
        evidence=tuple(
            f"{one.step.label} {one.step.function}: {', '.join(one.step.cache)} on {who(seen, [one.missed[0].number])}, waited {one.waited:.1f} s"
            for one in found.asked[:4]
        ),
    )


def _explained(one: Asked, why: Reason) -> tuple[str, str]:
    """Why the rank missed, and what to do."""
    share = f"Give all ranks one {FOLDER} on a file system that they share, or fill the cache of each machine before the run."
    if why.bypass:
        return (
            f" torch does not use its cache there: {why.bypass}.",
            "Remove what torch names, so that it can use its cache.",
        )
    if why.changed:
        names = ", ".join(f"`{part.name}`" for part in why.changed[:3])
        return f" The key of the graph differs in {names}.", "Make what the key has the same on all ranks."
    if one.hit[0].who.host != one.missed[0].who.host:
        return f" They are on other machines: {one.missed[0].who.host}, and {one.hit[0].who.host}.", share
    return (" The key of the graph is the same, so that rank has another cache folder." if why.same_key else ""), share


CHECK = Check(
    code="CD808",
    name="rank-caches-differ",
    severity="info",
    category="ranks",
    compares_ranks=True,
    summary="The caches of some ranks had a graph that other ranks had to compile, and the former waited for it.",
    explanation="""\
torch keeps compiled graphs in a folder, which ranks on other machines, or with another TORCHINDUCTOR_CACHE_DIR, may not share. It is reported
if ranks that found a graph were done at least a second before those that had to compile it. A rank that finds what another one has just
compiled has not waited, and is not reported. `coldstart` shows for one process what its cache had and why not.
""",
    detect=detect,
)

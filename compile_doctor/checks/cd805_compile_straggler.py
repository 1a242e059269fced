"""CD805: the other ranks wait for one that compiles much longer."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.ranks.stragglers import stragglers
from compile_doctor.checks.base import Check
from compile_doctor.checks.ranks_in_words import s, sentence, who
from compile_doctor.model.findings import Finding


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    for one in stragglers(seen.evidence.ranks):
        numbers = tuple(rank.number for rank in one.ranks)
        most, least = one.missed
        caches = f" Its caches missed {most} times, those of another rank {least} times." if most > least else ""
        machines = sorted({rank.who.host for rank in one.ranks if rank.who.host})
        where = f" All of them are on {machines[0]}." if len(machines) == 1 and len(numbers) > 1 else ""
        yield CHECK.finding(
            f"{sentence(who(seen, numbers))} compile{s(numbers)} much longer than the others",
            f"{one.seconds:.1f} s of compile time; the usual is {one.usual:.1f} s. The other ranks wait for it.{caches}{where}",
            cause="cache" if most > least else "time",
            fix="Share torch's caches between the ranks (TORCHINDUCTOR_CACHE_DIR on a common file system, or warmed on each machine)."
            if most > least
            else "Look for other work on that machine, or for findings above that only these ranks have.",
            count=len(numbers),
            ranks=numbers,
            evidence=(f"compile time {one.seconds:.1f} s, usual {one.usual:.1f} s",),
        )


CHECK = Check(
    code="CD805",
    name="compile-straggler",
    severity="warning",
    category="ranks",
    compares_ranks=True,
    consequence=True,
    summary="Some ranks compile at least 10 s longer than the others, and more than twice as long.",
    explanation="""\
All ranks wait at a collective for the slowest one, so the slowest compilation counts. It may compile more, miss a cache that the others
hit, or run on a busy machine. The figures of each rank are in `-v`.
""",
    detect=detect,
)

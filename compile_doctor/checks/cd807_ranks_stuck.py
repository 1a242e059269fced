"""CD807: the ranks did not end within --timeout; and where each was."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.ranks.collectives import mismatches
from compile_doctor.analysis.ranks.comparable import pairs
from compile_doctor.analysis.ranks.ends import Ending, culprit, endings
from compile_doctor.checks.base import Check
from compile_doctor.checks.ranks_in_words import s, sentence, who
from compile_doctor.model.findings import Finding
from compile_doctor.source import locations


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    late = next((child for child in seen.evidence.children if child.ended == "timeout"), None)
    ranks = seen.evidence.ranks
    if late is None or not ranks:
        return
    found = endings(seen.evidence)
    failed = culprit(found)
    stuck = [one for one in found if one.open and not one.cause]
    ended = [one.number for one in ranks.all if one.number not in {each.rank.number for each in found}]
    places: dict[tuple[str, int, str, str], list[int]] = defaultdict(list)
    for one in stuck:
        places[_place(one)].append(one.rank.number)
    parts = [
        f"{sentence(who(seen, numbers))} {_is_at(place, numbers)}."
        for place, numbers in sorted(places.items(), key=lambda item: item[1])
    ]
    if failed and failed.cause:
        parts.insert(0, f"Rank {failed.rank.number} had raised {failed.cause.type}: {failed.cause.words}.")
    if ended:
        parts.append(f"{sentence(who(seen, ended))} had ended.")
    hang = any(next(mismatches(pair.usual.group.steps, pair.other.group.steps), None) for pair in pairs(ranks))
    parts.append("The collectives in the graphs differ between the ranks: see CD802." if hang else "")
    first = min(places.items(), key=lambda item: (len(item[1]), item[1]), default=None)
    at = first[0] if first and first[0][0] else None
    numbers = tuple(sorted(number for members in places.values() for number in members))
    yield CHECK.finding(
        f"The command was stopped after {late.seconds or 0:,.0f} s: {_title(seen, places, failed)}",
        " ".join(filter(None, parts)) or "No rank recorded where it was.",
        location=seen.location(at[0], at[1], at[2]) if at else None,
        cause="stuck",
        fix="If the ranks are at different collectives, make them call the same ones in the same order. If one of them compiles, give it more time (--timeout).",
        ranks=numbers or tuple(one.number for one in ranks.all),
        count=max(len(numbers), 1),
        evidence=tuple(f"rank {one.rank.number}: {_line(one)}" for one in stuck[:16]),
    )


def _place(one: Ending) -> tuple[str, int, str, str]:
    inside = (
        f"{one.waits_in.function} ({locations.short(one.waits_in.file)}:{one.waits_in.line})" if one.waits_in else ""
    )
    if one.compiling:
        return one.compiling.file, one.compiling.line, one.compiling.function, "compiling"
    return (one.stood.file, one.stood.line, one.stood.function, inside) if one.stood else ("", 0, "", inside)


def _is_at(place: tuple[str, int, str, str], numbers: list[int]) -> str:
    file, line, function, inside = place
    ending = s(numbers)
    was = "was" if ending else "were"
    if inside == "compiling":
        return f"{was} still compiling {function} ({file}:{line})"
    if not file and inside:
        return f"{was} inside of {inside}"
    if not file:
        return "left no record of where it was" if ending else "left no record of where they were"
    within = f", inside of {inside}" if inside else ""
    return f"{was} at {file}:{line} in {function}{within}"


def _title(seen: AnalysisContext, places: dict[tuple[str, int, str, str], list[int]], failed: Ending | None) -> str:
    if failed and failed.cause:
        return f"rank {failed.rank.number} had failed with {failed.cause.type}, the others waited"
    if any(place[3] == "compiling" for place in places):
        slow = sorted(number for place, numbers in places.items() if place[3] == "compiling" for number in numbers)
        return f"{who(seen, slow)} {'was' if s(slow) else 'were'} still compiling"
    if len(places) > 1:
        return "the ranks wait at different lines"
    return "the ranks did not end"


def _line(one: Ending) -> str:
    file, line, function, inside = _place(one)
    return f"{file}:{line} in {function}; {inside}" if file else "unknown"


CHECK = Check(
    code="CD807",
    name="ranks-stuck",
    severity="",
    category="ranks",
    exit_code=3,
    compares_ranks=True,
    summary="The ranks did not end within `run --timeout`; the finding has the line at which each was.",
    explanation="""\
Shortly before the limit of `run --timeout`, each rank records the Python line of its main thread. Ranks that wait at different
collectives wait for each other. A rank that is still compiling is no hang: give it more time. A thread that blocks the interpreter
itself leaves no record.
""",
    detect=detect,
)

"""CD806: a rank raised an exception or died, and took the others with it."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.ranks.ends import Ending, culprit, endings
from compile_doctor.checks.base import Check
from compile_doctor.checks.ranks_in_words import s, sentence, who
from compile_doctor.model.findings import Finding

_UNEVEN = (
    "Let all ranks make the same number of steps, for example with drop_last=True: a rank that ends while others still "
    "communicate with it closes their connection. torch.distributed.algorithms.join.Join is for uneven inputs."
)
LONGEST = 300
"""Characters of an error in the message; the whole traceback is in -v."""


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    found = endings(seen.evidence)
    one = culprit(found)
    if one is None or any(child.ended in ("timeout", "interrupted") for child in seen.evidence.children):
        return  # CD807, or the user ended it
    alike = tuple(each for each in found if each.rank.number == one.rank.number or _same(each, one))
    numbers = tuple(each.rank.number for each in alike)
    frame = one.cause.frame if one.cause else one.compiling
    what = f"{one.cause.type}: {_cut(one.cause.words, LONGEST)}" if one.cause else _death(one)
    mesh = f" ({one.rank.who.mesh})" if one.rank.who.mesh and len(numbers) == 1 else ""
    machine = one.rank.who.host or "an unknown machine"
    on = f" on {machine}" if len(numbers) == 1 else ""
    location = seen.location(frame.file, frame.line, frame.function) if frame else None
    rest = tuple(each for each in found if each.rank.number not in numbers)
    left = _left(seen, found) if one.follows else ()
    opening = f"{sentence(who(seen, numbers))}{mesh}{on}: {what}."
    yield CHECK.finding(
        _early_end(seen, left, numbers, one) if left else f"{sentence(who(seen, numbers))} failed: {_short(one)}",
        " ".join(filter(None, [opening, _before(seen, one), _others(seen, rest)])),
        location=location,
        owner=seen.owner(frame.file) if frame else "mine",
        cause=one.cause.type if one.cause else one.signal or f"exit {one.exit_code}",
        fix=_UNEVEN if left else _fix(one, len(numbers) == len(seen.evidence.ranks.all)),
        count=len(numbers),
        ranks=numbers,
        evidence=_evidence(one, seen.of_groups[one.rank.group]),
    )


def _left(seen: AnalysisContext, found: tuple[Ending, ...]) -> tuple[int, ...]:
    """The ranks that ended in order while others still communicated."""
    gone = {each.rank.number for each in found}
    return tuple(one.number for one in seen.evidence.ranks.all if one.number not in gone)


def _early_end(seen: AnalysisContext, left: tuple[int, ...], numbers: tuple[int, ...], one: Ending) -> str:
    at = f" ({one.cause.frame.file.rpartition('/')[2]}:{one.cause.frame.line})" if one.cause and one.cause.frame else ""
    return (
        f"{sentence(who(seen, left))} ended in order while {who(seen, numbers)} still communicated with "
        f"{'it' if len(left) == 1 else 'them'}, and lost the connection{at}"
    )


def _same(each: Ending, one: Ending) -> bool:
    """Whether it failed like the other: the same kind of exception at the same line."""
    if each.cause is None or one.cause is None:
        return False
    return (each.cause.type, each.cause.frame) == (one.cause.type, one.cause.frame)


def _cut(words: str, most: int) -> str:
    return words if len(words) <= most else words[:most].rpartition(" ")[0] + " …"


def _short(one: Ending) -> str:
    if one.cause:
        at = f" ({one.cause.frame.file.rpartition('/')[2]}:{one.cause.frame.line})" if one.cause.frame else ""
        return f"{one.cause.type}: {_cut(one.cause.words, 100)}{at}"
    return _death(one)


def _death(one: Ending) -> str:
    memory = ", which Linux sends if memory runs out" if one.signal == "SIGKILL" else ""
    return (
        f"it was ended by {one.signal}{memory}"
        if one.signal
        else f"it ended with exit status {one.exit_code}, without an exception"
    )


def _before(seen: AnalysisContext, one: Ending) -> str:
    """What it was doing, as far as there is evidence."""
    if one.compiling:
        return f"It was compiling {one.compiling.function} ({one.compiling.file}:{one.compiling.line})."
    count = len(seen.evidence.ranks.groups[one.rank.group].steps)
    if not count:
        return "It had not compiled anything."
    return f"It had finished {count} compilation{'s' * (count != 1)}."


def _others(seen: AnalysisContext, rest: tuple[Ending, ...]) -> str:
    """What became of the ranks that were waiting for it."""
    stopped = [each.rank.number for each in rest if not each.failed]
    raised = [each.rank.number for each in rest if each.failed and each.follows]
    own = [each for each in rest if each.failed and not each.follows]
    parts = []
    if own:
        parts.append("; ".join(f"rank {each.rank.number} failed too: {_short(each)}" for each in own[:3]))
    if raised:
        parts.append(f"{who(seen, raised)} then lost the connection or ran into a time limit")
    if stopped:
        parts.append(f"{who(seen, stopped)} {'was' if s(stopped) else 'were'} stopped after that")
    return f"{sentence('; '.join(parts))}." if parts else ""


def _fix(one: Ending, everywhere: bool) -> str:
    if one.cause and everywhere:
        return "Fix that error: it does not depend on the rank."
    if one.cause:
        return "Fix that error on this rank; what the other ranks report follows from it."
    return "Run this rank alone, or set TORCH_SHOW_CPP_STACKTRACES=1 and PYTHONFAULTHANDLER=1 to see where it dies."


def _evidence(one: Ending, group: AnalysisContext | None) -> tuple[str, ...]:
    lines = (
        [f"launcher: rank {one.rank.number}, exit code {one.exit_code}{f', {one.signal}' if one.signal else ''}"]
        if one.exit_code is not None
        else []
    )
    failure = group.failure if group else None
    return (*lines, *(failure.text.strip().splitlines()[-12:] if failure else ()))


CHECK = Check(
    code="CD806",
    name="rank-failed",
    severity="",
    category="ranks",
    exit_code=3,
    compares_ranks=True,
    summary="A rank raised an exception or died; the finding has the rank, the error, its line, and what became of the others.",
    explanation="""\
If a rank fails, the others wait for it, lose the connection, or are stopped by the launcher, and each of them reports an error of its
own. The finding names the rank that failed by itself: what it raised, or the signal that ended it according to the launcher, and what
it was compiling. The exit status is that of the command.
""",
    detect=detect,
)

"""Finds what one group of ranks did and another did not: frames, breaks, graphs, their order, recompilations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from compile_doctor.capture.trace.read import function_name
from compile_doctor.model.ranks import Step
from compile_doctor.source import locations

Function = tuple[str, str]
"""File and name of a function, without what torch adds where it continues after a break."""


@dataclass(frozen=True)
class Parting:
    """The first point at which two groups of ranks part, apart from recompilations."""

    kind: str
    """`break`, `graph`, `frame`, `order` or `error`."""
    file: str
    line: int
    function: str
    usual: str
    """What the usual ranks do there, as a sentence without its subject."""
    other: str
    at: int
    """The number of the compilation at which it shows."""


@dataclass(frozen=True)
class Uneven:
    """A function that some ranks compile more often than others."""

    file: str
    line: int
    function: str
    usual: int
    """How often the usual ranks compile it again."""
    other: int
    reasons: tuple[str, ...]
    """The guards that failed on the ranks that compile it more often."""


def function_of(step: Step) -> Function:
    return step.file, function_name(step.function)


def is_recompilation(step: Step) -> bool:
    return bool(step.reasons)


def parting(usual: Sequence[Step], other: Sequence[Step]) -> Parting | None:
    """Where `other` first does something else than `usual`. What comes after it may follow from it."""
    mine, theirs = _first_times(usual), _first_times(other)
    for at, (one, two) in enumerate(zip(mine, theirs)):
        found = _apart(one, two, at, mine, theirs)
        if found:
            return found
    if len(mine) == len(theirs):
        return None
    more, at = (mine if len(mine) > len(theirs) else theirs), min(len(mine), len(theirs))
    return _frame(more[at], at, more is mine)


def _first_times(steps: Sequence[Step]) -> list[Step]:
    return [
        step for step in steps if not is_recompilation(step) and not locations.is_interior(step.file, step.function)
    ]


def _apart(one: Step, two: Step, at: int, mine: list[Step], theirs: list[Step]) -> Parting | None:
    if function_of(one) != function_of(two) or _resumes_at(one) != _resumes_at(two):
        later = Counter(map(function_of, mine)) == Counter(map(function_of, theirs))
        if later:
            text = "compile{} `%s` as number %d"
            return Parting(
                "order",
                two.file,
                two.line,
                two.function,
                text % (one.function, at + 1),
                text % (two.function, at + 1),
                at,
            )
        # The one that the other side never compiles is what is extra.
        extra_here = function_of(one) not in set(map(function_of, theirs))
        return _frame(one if extra_here else two, at, extra_here)
    if one.breaks != two.breaks and _places(one) != _places(two):
        only = [item for item in two.breaks if item[:2] not in _places(one)]
        missing = [item for item in one.breaks if item[:2] not in _places(two)]
        file, line, _ = (only or missing)[0]
        does, not_ = "break{} the graph here", "do{} not"
        return Parting("break", file, line, one.function, not_ if only else does, does if only else not_, at)
    if one.finished != two.finished:
        does, not_ = "finish{} compiling it", "do{} not"
        return Parting(
            "error",
            two.file,
            two.line,
            two.function,
            does if one.finished else not_,
            does if two.finished else not_,
            at,
        )
    if one.graph != two.graph:
        if not (one.graph and two.graph):
            does, not_ = "compile{} a graph", "compile{} none"
            return Parting(
                "graph", two.file, two.line, two.function, does if one.graph else not_, does if two.graph else not_, at
            )
        return Parting("graph", two.file, two.line, two.function, "compile{} one graph", "compile{} another", at)
    return None


def _frame(step: Step, at: int, usual_has_it: bool) -> Parting:
    does, not_ = "compile{} it", "do{} not"
    return Parting(
        "frame", step.file, step.line, step.function, does if usual_has_it else not_, not_ if usual_has_it else does, at
    )


def _resumes_at(step: Step) -> int | None:
    return step.line if function_name(step.function) != step.function else None


def _places(step: Step) -> set[tuple[str, int]]:
    return {item[:2] for item in step.breaks}


def uneven(usual: Sequence[Step], other: Sequence[Step]) -> Iterator[Uneven]:
    """The functions that both compile, and one more often than the other."""
    both = {function_of(step) for step in usual} & {function_of(step) for step in other}
    again = {
        function: (_again(usual, function), _again(other, function))
        for function in dict.fromkeys(map(function_of, (*usual, *other)))
    }
    for function, (one, two) in again.items():
        if function in both and len(one) != len(two):
            more = one if len(one) > len(two) else two
            reasons = tuple(dict.fromkeys(step.reasons[0] for step in more))
            yield Uneven(more[0].file, more[0].line, more[0].function, len(one), len(two), reasons)


def _again(steps: Sequence[Step], function: Function) -> list[Step]:
    """Its recompilations; if it is continued after breaks, those of the part that has the most."""
    parts: dict[str, list[Step]] = {}
    for step in steps:
        if function_of(step) == function and is_recompilation(step):
            parts.setdefault(step.function, []).append(step)
    return max(parts.values(), key=len, default=[])

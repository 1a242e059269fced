"""Finds what one group of ranks did and another did not: frames, breaks, graphs, their order, recompilations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from compile_doctor.analysis.recompiles.guards import parse
from compile_doctor.model.compilations import Operator
from compile_doctor.model.ranks import Step
from compile_doctor.model.stacks import function_name
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
    extra: str = ""
    """`usual` or `other`: who does something there that the other side does not; empty if both do something."""
    operators: tuple[Operator | None, Operator | None] = (None, None)
    """The first operators that differ, of the usual and the other ranks; None if its graph has ended."""
    exact: int = 0
    """The line that they come from; 0 if that is not within this file."""


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
    if _begins(one) != _begins(two):
        later = Counter(map(_begins, mine)) == Counter(map(_begins, theirs))
        if later:
            text = "compile{} `%s` as its number %d"
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
        extra_here = _begins(one) not in set(map(_begins, theirs))
        return _frame(one if extra_here else two, at, extra_here)
    if _places(one) != _places(two):
        only = [item for item in two.breaks if item[:2] not in _places(one)]
        missing = [item for item in one.breaks if item[:2] not in _places(two)]
        file, line, _ = (only or missing)[0]
        return _one_sided("break", file, line, one.function, "break{} the graph here", bool(missing and not only), at)
    if one.finished != two.finished:
        return _one_sided("error", two.file, two.line, two.function, "finish{} compiling it", one.finished, at)
    if bool(one.graph) != bool(two.graph):
        return _one_sided("graph", two.file, two.line, two.function, "compile{} a graph", bool(one.graph), at)
    if one.graph != two.graph:
        return _other_graph(one, two, at)
    return None


def _other_graph(one: Step, two: Step, at: int) -> Parting:
    """Where the first operator differs; the user's line only if that is within its file."""
    pairs = zip_longest(one.operators, two.operators)
    differs = ((a, b) for a, b in pairs if (a and (a.dtype, a.plain)) != (b and (b.dtype, b.plain)))
    a, b = next(differs, (None, None))
    exact = next((each.line for each in (b, a) if each and each.file == two.file), 0)
    return Parting(
        "graph",
        two.file,
        two.line,
        two.function,
        "one",
        "compile{} another graph",
        at,
        operators=(a, b),
        exact=exact,
    )


def _frame(step: Step, at: int, usual_has_it: bool) -> Parting:
    return _one_sided("frame", step.file, step.line, step.function, "compile{} it", usual_has_it, at)


def _one_sided(kind: str, file: str, line: int, function: str, does: str, usual_does: bool, at: int) -> Parting:
    words = (does, "do{} not") if usual_does else ("do{} not", does)
    return Parting(kind, file, line, function, *words, at, "usual" if usual_does else "other")


def _begins(step: Step) -> tuple[Function, int]:
    """Two classes of a file may have a function of one name; a function continues behind several breaks."""
    return function_of(step), step.line


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


def without_callers(found: Sequence[Uneven], of_torch: Callable[[str], bool]) -> Iterator[Uneven]:
    """Without torch's own functions around a function of the user's (a wrapper of DDP) that were compiled again for the same change."""
    changes = {_change(one) for one in found if not of_torch(one.file)}
    return (one for one in found if not of_torch(one.file) or _change(one) not in changes)


def _change(one: Uneven) -> tuple[tuple[str, int | None, str | None, str | None], ...]:
    guards = map(parse, one.reasons)
    return tuple((guard.kind, guard.dimension, guard.was, guard.now) for guard in guards)


def _again(steps: Sequence[Step], function: Function) -> list[Step]:
    """Its recompilations; if it is continued after breaks, those of the part that has the most."""
    parts: dict[str, list[Step]] = {}
    for step in steps:
        if function_of(step) == function and is_recompilation(step):
            parts.setdefault(step.function, []).append(step)
    return max(parts.values(), key=len, default=[])

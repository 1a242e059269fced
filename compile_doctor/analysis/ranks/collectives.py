"""Compares the collectives in the graphs of ranks: a rank that calls another one, or in another order, can hang all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from compile_doctor.analysis.ranks.divergence import Function, function_of, is_recompilation
from compile_doctor.capture.trace.graph_text import GROUP, canonical
from compile_doctor.model.ranks import Step
from compile_doctor.model.stacks import Frame

_DEFAULT = "'0'"
"""The group of all ranks, which init_process_group makes first."""


@dataclass(frozen=True)
class Mismatch:
    """A function in whose graphs two groups of ranks call other collectives."""

    file: str
    line: int
    function: str
    at: int
    """The number of the first call that differs, from 0."""
    usual: tuple[str, ...]
    """The calls from there on, of the usual ranks."""
    other: tuple[str, ...]
    all_ranks: bool
    """Whether the group is that of all ranks: then each has to make the same calls."""
    lines: tuple[Frame | None, Frame | None]
    """The user's lines of the two calls that differ, if they are known."""


def mismatches(usual: Sequence[Step], other: Sequence[Step]) -> Iterator[Mismatch]:
    """One for each function that both ranks compiled to graphs with other collectives."""
    one, two = _calls(usual), _calls(other)
    for function, (mine, my_lines) in one.items():
        if function not in two:
            continue  # it may have run without being compiled: that it is missing proves nothing about its collectives
        theirs, their_lines = two[function]
        if canonical(mine) == canonical(theirs):
            continue
        at = next(
            (n for n, (a, b) in enumerate(zip(canonical(mine), canonical(theirs))) if a != b),
            min(len(mine), len(theirs)),
        )
        step = next(step for step in (*usual, *other) if function_of(step) == function)
        called = [calls[at] for calls in (mine, theirs) if len(calls) > at]
        yield Mismatch(
            function[0],
            step.line,
            step.function,
            at,
            mine[at:],
            theirs[at:],
            any(_group_of(call) == _DEFAULT for call in called),
            (_line(my_lines, at, mine), _line(their_lines, at, theirs)),
        )


def _calls(steps: Sequence[Step]) -> Mapping[Function, tuple[tuple[str, ...], tuple[Frame, ...]]]:
    """The collectives of each function in their order: those of its first version, and of where it continues after breaks.

    A function that Dynamo gave up runs in plain Python, with collectives that no graph shows: it is left out.
    """
    found: dict[Function, tuple[tuple[str, ...], tuple[Frame, ...]]] = {}
    given_up = {
        function_of(step)
        for step in steps
        if not step.finished or (step.breaks and not step.graph and not _continues(steps, step))
    }
    for step in steps:
        if is_recompilation(step) or function_of(step) in given_up:
            continue
        calls, lines = found.get(function_of(step), ((), ()))
        found[function_of(step)] = (*calls, *step.collectives), (*lines, *step.lines)
    return found


def _continues(steps: Sequence[Step], broken: Step) -> bool:
    return any(
        step is not broken and function_of(step) == function_of(broken) and step.function != broken.function
        for step in steps
    )


def _group_of(call: str) -> str:
    found = GROUP.findall(call)
    return f"'{found[-1]}'" if found else ""


def _line(lines: Sequence[Frame], at: int, calls: Sequence[str]) -> Frame | None:
    """The user's line of a call. AOTAutograd's graphs have more calls than Dynamo's: then it is not known which."""
    return lines[at] if len(lines) == len(calls) and at < len(lines) else None

"""Wrappers of decorators: which function one of them called, as a stack shows it."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from itertools import pairwise

from compile_doctor.model.stacks import Frame
from compile_doctor.source import locations
from compile_doctor.source.names import parsed


def decorated(sources: Mapping[str, str], stack: Sequence[Frame], wrapper: Frame) -> Frame | None:
    """The function below a wrapper, and below those that it calls in turn; None if the stack does not show it.

    `wrapper`: any line of it. `stack`: outermost first.
    """

    def name(frame: Frame) -> tuple[str, str]:
        return frame.file, locations.qualified(sources, frame.file, frame.line, frame.function.rpartition(".")[2])

    found = None
    for frame, below in pairwise(stack):
        own = found is not None or name(frame) == name(wrapper)
        if own and _calls_what_it_wraps(sources, frame):
            found = below
        elif own:
            break
    return found


def _calls_what_it_wraps(sources: Mapping[str, str], frame: Frame) -> bool:
    """Whether a line calls a parameter of the function around its own: `return function(*args)` in a wrapper."""
    tree = parsed(sources.get(frame.file, ""))
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call)) if tree else ()
    return any(
        isinstance(call.func, ast.Name)
        and call.lineno <= frame.line <= (call.end_lineno or call.lineno)
        and locations.is_outer_parameter(sources, frame.file, frame.line, call.func.id)
        for call in calls
    )

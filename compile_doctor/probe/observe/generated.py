"""Functions whose code was generated in memory, as decorators and attrs do: the functions and classes they stand for."""

from __future__ import annotations

import gc
import inspect
import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from types import FunctionType

from compile_doctor.capture import schema
from compile_doctor.model.stacks import Frame

_NOT_A_FILE = re.compile(r"^[^<\n]*(<[^\n]*>):\d+[ \t]*$", re.MULTILINE)
"""In torch's messages: `Graph break in user code at <attrs generated …>:3`."""


def named(message: str) -> set[str]:
    """The names in one of torch's messages that stand for a file and are none."""
    return {match[1] for match in _NOT_A_FILE.finditer(message)}


def originals(names: set[str]) -> Iterator[schema.Generated]:
    """For each function with code of such a name, if no other has the same: where a reader finds what was written."""
    if not names:
        return
    found: dict[tuple[str, int, str], list[FunctionType]] = defaultdict(list)
    for one in gc.get_objects():
        if type(one) is FunctionType and one.__code__.co_filename in names:
            found[one.__code__.co_filename, one.__code__.co_firstlineno, one.__code__.co_name].append(one)
    for (file, line, name), functions in found.items():
        alike = {id(one.__code__) for one in functions}  # each dataclass has an `__init__` in `<string>`
        at = _original(functions[0]) if len(alike) == 1 else None
        if at is not None:
            yield schema.Generated(file, line, name, at)


def _original(function: FunctionType) -> Frame | None:
    """The function that a decorator wrapped (`__wrapped__`), else the class that the generated method belongs to."""
    wrapped = inspect.unwrap(function)
    for one, name in ((wrapped, wrapped.__qualname__), (_class_of(function), function.__qualname__)):
        try:
            file = inspect.getsourcefile(one) if one is not None else None
            if file and os.path.isfile(file):
                return Frame(os.path.abspath(file), inspect.getsourcelines(one)[1], name)  # type: ignore[arg-type]
        except (TypeError, OSError):
            continue
    return None


def _class_of(function: FunctionType) -> type | None:
    found: object = sys.modules.get(function.__module__ or "")
    for part in function.__qualname__.split(".")[:-1]:
        found = getattr(found, part, None)
    return found if isinstance(found, type) else None

"""What to do about a value that the program itself changes while it runs, or a container that grows."""

from __future__ import annotations

import re

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.recompiles.groups import Recompiled
from compile_doctor.checks.recompile_names import _read, identifier, literal, role_of
from compile_doctor.source import uses


def in_place(name: str) -> str:
    """For a number that the program changes while it runs."""
    return (
        f"Keep `{name}` as a tensor that begins with the same value, and change it in place: .add_(…), .mul_(…) or .copy_(…). Or "
        "update it outside the compiled code."
    )


def length_advice(seen: AnalysisContext, group: Recompiled) -> str:
    name = identifier(group)
    file, line = _read(group)
    text = seen.snippet(file, line)
    if re.search(r"\.(?:append|extend|add|insert)\(", text):
        return (
            f"The line adds an element in each call, and each length gets its own graph. Return what `{group.guard.source}` shall keep, and "
            "add it in the caller; or write into a tensor of a fixed size."
        )
    if re.search(r"\.(?:items|values|keys)\(\)", text):
        name = group.guard.source
        if re.search(r"\bfor ", text):
            return (
                f"`{name}` is a dict, and the line goes through all of it, so each set of keys gets its own graph. If there are few, change "
                "nothing; else give it the same keys in each call, with a value that changes nothing for one that is missing (zeros, a padding index)."
            )
    if name == group.guard.source or uses.is_dict(seen.evidence.sources, file, line, name):
        store = uses.stored(seen.evidence.sources, file, line, name)
        also = f", and do not write into it (line {store})" if store else ""
        return (
            f"`{name}` is a dict, and each number of keys gets its own graph. Pass only the keys that the compiled code "
            f"reads{also}."
        )
    return "A list is unrolled, so each length gets its own graph. Stack it into one tensor, or pad it to one length."


def written_advice(seen: AnalysisContext, group: Recompiled) -> str:
    assert group.written
    name, guard = group.written.name, group.guard
    if guard.kind in ("empty", "attribute", "none"):
        return (
            f"Give `{name}` its first value before the first call (in `__init__`, or in a call of your own outside the compiled "
            "code), and keep its shape: then no compiled call finds it missing. If the code tests whether it is there, use the "
            "value that the first call computes; a zero would change the result. Or accept one recompilation."
        )
    if guard.kind == "length" or isinstance(literal(guard.was), (set, list, dict)):
        return (
            f"Do not let `{name}` grow in the compiled code: return what it shall keep, and append it in the caller; or write into "
            "a tensor of a fixed size. If it only has to be filled once, fill it before the first call."
        )
    if guard.kind == "keys":
        return f"Create all entries of `{name}` before the first call, in `__init__`, or change it outside the compiled code."
    if isinstance(literal(guard.was), bool):
        return (
            f"True and False have one graph each, and there are no more: if `{name}` stands for a phase of the program, change nothing, "
            "and call the model once in each phase before you measure. Else decide outside the compiled code, and compile a function "
            "for each case."
        )
    number = isinstance(literal(guard.was), (int, float))
    if number and role_of(seen, group) in ("number", ""):
        return in_place(name)
    return (
        f"Do not keep `{name}` between calls where the compiled code reads it: compute what depends on it once, in "
        "`__init__`, for the largest size; or compute it anew in each call and do not store it."
    )

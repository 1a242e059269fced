"""What to do about a Python value that varies: a number, a text, a bool, a type."""

from __future__ import annotations

import re

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.recompiles.groups import Recompiled
from compile_doctor.checks.recompile_names import identifier, literal, role_of


def type_advice(group: Recompiled) -> str:
    if group.guard.source in ("self", "cls"):
        local = "<locals>" in (group.guard.was or "")
        why = (
            "A class that is defined in a function is a new class at each call of it: define it once, at module level."
            if local
            else "Each class that shares this code needs its own entry."
        )
        return (
            f"{why} All of them count towards one recompile_limit: set torch._dynamo.config.recompile_limit to the number of "
            "classes, or call torch._dynamo.reset() before the next one."
        )
    if "Parameter" in group.guard.words:
        return (
            f"A Parameter and a plain tensor have one graph each. Pass one of them each time: `{group.guard.source}.detach()` of the "
            "Parameter is a plain tensor with the same memory; it has no gradient."
        )
    return "Pass the same type each time: always torch.tensor(value), or always a Python number."


def value_advice(seen: AnalysisContext, group: Recompiled) -> str:
    guard, name = group.guard, identifier(group)
    value, used = literal(guard.was), role_of(seen, group)
    if isinstance(value, bool) and all(isinstance(literal(one.was), bool) for one in group.guards):
        return f"Each of the two values of `{name}` has its own graph, and there will be no more: nothing to do."
    if isinstance(value, str):
        kept = "." in guard.source
        return (
            f"A string is a constant of the graph. Decide once, in `__init__`: store what follows from `{name}` (a bool, a "
            "function), and read that in the compiled code."
            if kept
            else f"A string is a constant of the graph: one graph for each value of `{name}`. If the values are few, change "
            "nothing; else select by a tensor, or compile one function for each value."
        )
    if used == "dimension":
        return f"A dimension number must be a constant: one graph for each value of `{name}` is expected, and there are few."
    if used == "index" and guard.source.endswith(".item()"):
        return (
            f"The code reads the value of `{name}`, a tensor, to index with it: one graph for each value. Index with the tensor "
            f"itself, as in `torch.index_select(table, 0, {name})`; or pass a Python number of which there are few."
        )
    if used == "index":
        return (
            f"`{name}` selects an entry of a Python container, so it is a constant. Look the entry up before the call, and "
            "pass the entry; or stack the entries into one tensor and index that with a tensor."
        )
    if used == "text":
        return (
            f"`{name}` goes into a text, such as a key, so it is a constant: one graph for each value. A tensor cannot take its "
            "place. If the values are few, change nothing; else pass the text itself, or look the entry up before the call."
        )
    if used == "loop":
        return f"The loop is unrolled `{name}` times: one graph for each value. Pad to a fixed number of steps, or loop outside."
    if guard.source.startswith(("type(", "self.__class__")):
        return f"Do not change the class attribute `{name}` while the model runs: make it a tensor (a buffer), changed in place."
    if isinstance(value, (set, frozenset, list, tuple, dict)):
        return (
            f"A {type(value).__name__} of Python values is a constant: one graph for each. If they are few, change nothing; else decide "
            f"outside the compiled code, and pass what follows from `{name}`: a bool, a number as a tensor, or a function."
        )
    if group.fixed is not None:
        return (
            f"An operator needs the number itself, so no tensor can take the place of `{name}`: one graph for each value. Use few "
            "values, or one; or write the operator with tensors."
        )
    if (guard.was or "").startswith("torch."):
        return (
            f"`{name}` (a dtype, a device or a layout) is a constant: one graph for each value. If they are few, change nothing; else "
            "convert outside of the compiled code."
        )
    if re.search(r"[%/*+]|\[\d+\]", guard.source) and isinstance(value, int):
        return (
            f"`{guard.source}` is (or follows from) a number in a list that the compiled code uses, for instance as a size: one graph for "
            "each value until torch makes it dynamic. Pass the numbers as they are in the same places each time, or one function for each."
        )
    if value is None and guard.was not in (None, "None"):
        return (
            f"`{name}` is an object that the graph takes as a constant: pass the same one each time, or pass a tensor."
        )
    if used == "condition":
        return (
            f"The branch on `{name}` makes it a constant: decide outside the compiled code, or compute both sides and choose "
            f"with torch.where and `{name}` as a tensor."
        )
    return (
        f"A Python number that the compiled code reads is a constant. Pass `{name}` as a tensor: torch.tensor({name})."
    )

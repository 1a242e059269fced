"""What to do about a recompilation, from the value that varies, the line that reads it and the line that writes it."""

from __future__ import annotations

import re

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.recompiles.groups import Recompiled
from compile_doctor.checks.recompile_groups import is_mode, package_of
from compile_doctor.checks.recompile_names import identifier, role_of
from compile_doctor.checks.recompile_sizes import size_advice
from compile_doctor.checks.recompile_values import type_advice, value_advice
from compile_doctor.checks.recompile_writes import length_advice, written_advice

_OPTIMIZER = re.compile(r"^[ \t]*class \w+\(.*Optimizer\b", re.MULTILINE)

_FIXES = {
    "shape-range": "Each side of a branch on this size gets its own graph. Remove the branch, or accept one graph for each side.",
    "one-or-none": "torch compiles sizes of 0 and 1 by themselves, because they broadcast: one more graph for each is expected, and "
    "nothing to do. If every graph counts, leave out such a call, or pad it to 2.",
    "unreadable": "One graph for each kind of value is expected: nothing to do if it is sometimes None and else a tensor. If "
    "more follow, pass the same kind each time, such as an empty tensor instead of None.",
    "stride": "Make the layout the same for every call: .contiguous() before the call. If that dimension has size 1, as in a "
    "slice of one token, .contiguous() changes no stride; .clone(memory_format=torch.contiguous_format) does.",
    "rank": "Give every call the same number of dimensions: x[None] or .reshape before the call.",
    "dtype": "Convert to one dtype before the call.",
    "requires_grad": "Use one mode: always detach the input, or always require gradients.",
    "device": "Move the inputs to one device before the call.",
    "none": "There will be two graphs, one with and one without the argument, and no more. Split the function to make that explicit.",
    "keys": "Pass the same keys in the same order each time.",
    "identity": "Pass the same object each time: create it once, outside the loop.",
    "alias": "Pass different tensors each time, or the same tensor each time.",
    "shared": 'Make the object once, and give the same one to everything that holds it: a look-up or a property such as `mesh["tp"]` may '
    "make another object each time.",
    "hooks": "Register hooks before the first call. A hook that is added or removed later compiles the frame again.",
}


def advice(seen: AnalysisContext, group: Recompiled) -> str:
    """What to change; for a value that torch's guard names, in the user's own names."""
    guard = group.guard
    if group.follows_break:
        return "Fix the graph break first: the value is a constant of this graph only because the graph begins behind the break."
    package = package_of(seen, group)
    if package:
        return (
            f"The value belongs to the package {package}, which changes it at first use. Use the package once, in the same "
            "way, before the first compiled call; or change nothing: it recompiles once for each change."
        )
    if is_mode(group):
        return "Train and eval mode need one graph each: nothing to do. Before you measure, call the model once in each mode."
    if guard.kind == "size":
        return size_advice(seen, group)
    if guard.kind == "type":
        return type_advice(group)
    if group.written:
        return written_advice(seen, group)
    if guard.kind in ("length", "empty", "keys") and _is_optimizer_s(seen, group):
        return (
            "An optimizer makes its state (momentum, averages) in its first step, so the second step is compiled once more: nothing "
            "to do. To compile it once, take one step before the compiled one."
        )
    if guard.kind == "length":
        return length_advice(seen, group)
    if guard.kind in ("value", "module-int"):
        return value_advice(seen, group)
    if guard.kind == "identity" and role_of(seen, group) == "condition":
        return (
            f"`{guard.source}` is compared with fixed objects (an enum, a sentinel), so each of them has its own graph. If they "
            f"are few, change nothing; else decide outside the compiled code, and pass what follows from `{guard.source}`."
        )
    if guard.kind in ("empty", "attribute"):
        return f"Fill `{identifier(group)}` before the first call (in `__init__`), as it is in later calls: then there is one graph."
    return _FIXES.get(guard.kind, f"Make `{guard.source}` the same for every call.")


def _is_optimizer_s(seen: AnalysisContext, group: Recompiled) -> bool:
    """Whether it is the state of one of torch's optimizers, which no line of the user reads."""
    own = any(_OPTIMIZER.search(text) for text in seen.own_sources.values())
    return "torch/optim/" in group.compilations[0].file and not own and not group.written

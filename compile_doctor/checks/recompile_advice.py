"""What to do about a recompilation, from the value that varies, the line that reads it and the line that writes it."""

from __future__ import annotations

import ast
import re

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.recompiles.groups import Recompiled
from compile_doctor.model.stacks import RESUMED, function_name
from compile_doctor.source import locations, uses
from compile_doctor.source.writes import last_name

_PACKAGE_GLOBAL = re.compile(r"^([A-Za-z_]\w*(?:\.\w+)+)$")
_OPTIMIZER = re.compile(r"^[ \t]*class \w+\(.*Optimizer\b", re.MULTILINE)
_VALUE = re.compile(r"[A-Za-z_]\w*(?:\[(?:\d+|'\w+')\])*")
"""An argument, or a part of one: `images[0]`."""
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
SHAPES = (
    "This is expected when shapes vary: torch makes the dimension dynamic at the second shape. If more recompilations "
    "follow, use torch._dynamo.mark_dynamic(tensor, dim), or pad to a few sizes."
)
STATIC_SHAPES = (
    "It was compiled with dynamic=False, so each size gets its own graph, until the recompile limit. If sizes vary, "
    "leave `dynamic` out or set dynamic=True; or pad to a few sizes, and allocate a cache at its full size at once."
)


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
        return _size(seen, group)
    if guard.kind == "type":
        return _type(group)
    if group.written:
        return _written(seen, group)
    if guard.kind in ("length", "empty", "keys") and _is_optimizer_s(seen, group):
        return (
            "An optimizer makes its state (momentum, averages) in its first step, so the second step is compiled once more: nothing "
            "to do. To compile it once, take one step before the compiled one."
        )
    if guard.kind == "length":
        return _length(seen, group)
    if guard.kind in ("value", "module-int"):
        return _value(seen, group)
    if guard.kind == "identity" and _role(seen, group) == "condition":
        return (
            f"`{guard.source}` is compared with fixed objects (an enum, a sentinel), so each of them has its own graph. If they "
            f"are few, change nothing; else decide outside the compiled code, and pass what follows from `{guard.source}`."
        )
    if guard.kind in ("empty", "attribute"):
        return f"Fill `{_identifier(group)}` before the first call (in `__init__`), as it is in later calls: then there is one graph."
    return _FIXES.get(guard.kind, f"Make `{guard.source}` the same for every call.")


def in_place(name: str) -> str:
    """For a number that the program changes while it runs."""
    return (
        f"Keep `{name}` as a tensor that begins with the same value, and change it in place: .add_(…), .mul_(…) or .copy_(…). Or "
        "update it outside the compiled code."
    )


def explained(seen: AnalysisContext, group: Recompiled) -> str:
    """Sentences that belong behind what varied: where it is written, where a size is fixed, how many keys there are."""
    if group.written and not is_mode(group):
        at = group.written
        what = f"`{at.function}` writes `{at.name}` at {_place(group, at.file, at.line)}, while the model runs."
        return f" {what}"
    own = group.fixed and (locations.innermost_mine(group.fixed.stack, seen.torch_root) or group.fixed.stack[0])
    if not own:
        return ""
    what, tried = ("size", "; mark_dynamic does not change that") if group.guard.kind == "size" else ("number", "")
    code = f" (`{own.code}`)" if own.code else ""
    return f" torch makes such a {what} dynamic, but line {own.line}{code} needs one fixed {what}: each {what} compiles again{tried}."


def consequence(seen: AnalysisContext, group: Recompiled) -> str:
    """The sentence for a frame that is compiled by itself only because of a graph break; empty if it is not one.

    Without the break it would be part of its caller's graph, once for each layer, with its attributes as constants.
    """
    guard = group.guard
    varies_by_instance = (
        guard.kind == "type"
        or (guard.kind in ("module-int", "value") and not group.written)
        or (guard.kind == "size" and group.fixed is not None and _is_method(seen, group))
    )
    if not varies_by_instance:
        return ""
    first = group.compilations[0]
    resumed = RESUMED.match(first.function)
    if resumed:
        return (
            f" The frame begins after the graph break at line {first.line}; without the break it is part of its caller's "
            "graph, and this recompilation disappears."
        )
    sources = seen.evidence.sources
    around = {
        (frame.file, locations.qualified(sources, frame.file, frame.line, function_name(frame.function)))
        for frame in first.stack[:-1]
    }
    for skipped in seen.skipped:
        frame = skipped.first
        name = locations.qualified(sources, frame.file, frame.line, function_name(frame.function))
        if (frame.file, name) in around:
            return (
                f" {name} runs in plain Python because of line {skipped.at}, so what it calls is compiled by itself: fix "
                "that break first."
            )
    return ""


def _is_method(seen: AnalysisContext, group: Recompiled) -> bool:
    return locations.takes(seen.evidence.sources, group.file, group.compilations[0].line, "self")


def is_mode(group: Recompiled) -> bool:
    """Whether train and eval mode are what varies."""
    return group.guard.kind == "value" and group.guard.source.endswith(".training")


def expected(group: Recompiled) -> bool:
    """Whether there is one graph for each of two modes, and no more: then nothing is wrong."""
    modes = group.guard.kind == "state" and group.guard.source in ("grad_mode", "inference_mode")
    return (is_mode(group) or modes) and len(group.compilations) == 1


def package_of(seen: AnalysisContext, group: Recompiled) -> str:
    """The package whose module-level state varies (`einops` of `einops._backends._table`); empty if it is the user's."""
    source = group.guard.source
    if group.guard.kind not in ("length", "keys", "value", "empty", "attribute") or not _PACKAGE_GLOBAL.match(source):
        return ""
    first, *rest = source.split(".")
    if not group.guard.of_module or first == "torch":
        return ""
    own = "/".join([first, *rest[:-1]])
    mine = (file for file in seen.evidence.sources if seen.owner(file) == "mine")
    return "" if any(f"/{own}" in file or file.endswith(f"/{first}.py") for file in mine) else first


def _is_optimizer_s(seen: AnalysisContext, group: Recompiled) -> bool:
    """Whether it is the state of one of torch's optimizers, which no line of the user reads."""
    own = any(_OPTIMIZER.search(text) for text in seen.own_sources.values())
    return "torch/optim/" in group.compilations[0].file and not own and not group.written


def _place(group: Recompiled, file: str, line: int) -> str:
    return f"line {line}" if file == group.file else f"{locations.short(file)}:{line}"


def _size(seen: AnalysisContext, group: Recompiled) -> str:
    inside = group.fixed is not None and seen.owner(group.fixed.stack[-1].file) == "torch"
    if inside and _is_method(seen, group):
        return (
            "Each layer has weights of its own size, so one graph for each size is expected. If there are more than 8, set "
            "torch._dynamo.config.recompile_limit to their number; or compile the model that calls the layers, not each layer."
        )
    if group.guard.of_parameter:
        return (
            f"`{group.guard.source}` is a parameter, and torch keeps the shapes of parameters static. If this function is meant for "
            "parameters of many shapes (an optimizer's update), set torch._dynamo.config.force_parameter_static_shapes = False."
        )
    if group.fixed and _is_method(seen, group):
        return (
            "That line needs the number itself: as the key of a container, in a condition, or beside a fixed size. Keep one table "
            "for the largest size, and slice it ([:n]), instead of one for each size; or accept one graph for each."
        )
    if group.fixed:
        return (
            "That line combines it with a size that torch keeps static. If that is the shape of a parameter which is passed "
            "in (an optimizer's update), set torch._dynamo.config.force_parameter_static_shapes = False. If it is a constant "
            "of the code, one graph for each size is expected."
        )
    if any(one.static for one in group.compilations):
        return STATIC_SHAPES
    source, dim = group.guard.source, group.guard.dimension
    named = dim is not None and _VALUE.fullmatch(source) is not None
    return SHAPES.replace("tensor, dim", f"{source}, {dim}") if named else SHAPES


def _type(group: Recompiled) -> str:
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


def _length(seen: AnalysisContext, group: Recompiled) -> str:
    name = _identifier(group)
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


def _written(seen: AnalysisContext, group: Recompiled) -> str:
    assert group.written
    name, guard = group.written.name, group.guard
    if guard.kind in ("empty", "attribute", "none"):
        return (
            f"Give `{name}` its first value before the first call (in `__init__`, or in a call of your own outside the compiled "
            "code), and keep its shape: then no compiled call finds it missing. If the code tests whether it is there, use the "
            "value that the first call computes; a zero would change the result. Or accept one recompilation."
        )
    if guard.kind == "length" or isinstance(_literal(guard.was), (set, list, dict)):
        return (
            f"Do not let `{name}` grow in the compiled code: return what it shall keep, and append it in the caller; or write into "
            "a tensor of a fixed size. If it only has to be filled once, fill it before the first call."
        )
    if guard.kind == "keys":
        return f"Create all entries of `{name}` before the first call, in `__init__`, or change it outside the compiled code."
    if isinstance(_literal(guard.was), bool):
        return (
            f"True and False have one graph each, and there are no more: if `{name}` stands for a phase of the program, change nothing, "
            "and call the model once in each phase before you measure. Else decide outside the compiled code, and compile a function "
            "for each case."
        )
    number = isinstance(_literal(guard.was), (int, float))
    if number and _role(seen, group) in ("number", ""):
        return in_place(name)
    return (
        f"Do not keep `{name}` between calls where the compiled code reads it: compute what depends on it once, in "
        "`__init__`, for the largest size; or compute it anew in each call and do not store it."
    )


def _value(seen: AnalysisContext, group: Recompiled) -> str:
    guard, name = group.guard, _identifier(group)
    value, used = _literal(guard.was), _role(seen, group)
    if isinstance(value, bool) and all(isinstance(_literal(one.was), bool) for one in group.guards):
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


def _identifier(group: Recompiled) -> str:
    return last_name(re.sub(r"(?:\[\d+\])+$", "", group.guard.source)) or group.guard.source.split(".", 1)[0]


def _read(group: Recompiled) -> tuple[str, int]:
    return group.file, group.line


def _role(seen: AnalysisContext, group: Recompiled) -> str:
    return uses.role(seen.evidence.sources, *_read(group), _identifier(group))


def _literal(text: str | None) -> object:
    try:
        return ast.literal_eval(text or "None")
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None

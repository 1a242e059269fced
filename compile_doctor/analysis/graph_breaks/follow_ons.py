"""Breaks that are there only because of another break: they belong to its site."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from compile_doctor.analysis.graph_breaks.causes import makes_objects
from compile_doctor.model.compilations import Break
from compile_doctor.model.stacks import function_name
from compile_doctor.source import locations, passed_on, statements

if TYPE_CHECKING:
    from compile_doctor.analysis.context import AnalysisContext

Key = tuple[str, int, str]
"""File, line and cause of a site."""
Groups = dict[Key, list[Break]]

_ITERATOR = re.compile(
    r"(?:UserDefinedObjectVariable\(|argument types \['|wrap <class ')"
    r"(?:\w*generator|\w*iterator|zip|map|enumerate|filter|reversed)\b|^call_method on generator",
    re.MULTILINE,
)
"""An iterator that plain Python made: Dynamo makes none of this type when it traces the same line."""
_IN_C = re.compile(r"does not know how to trace the (?:Python )?builtin|likely a C extension or builtin")
_OF_OBJECTS = frozenset(
    {
        "unsupported-method",
        "unsupported-builtin",
        "observed-exception",
        "c-extension-call",
        "caused-by-unsupported-value",
        "unsupported-context-manager",
    }
)
"""Causes that say only that Dynamo does not know an object."""
_OUTPUTS = frozenset({"print", "logging", "file-io"})
_SHOWN = frozenset(
    {"tensor-item", "tensor-tolist", "tensor-to-string", "object-to-string", "numpy-call", "boolean-mask-indexing"}
)
"""Causes by which what is shown breaks; a break on purpose in the same line is another matter."""
_UNGRACEFUL = "Failed to handle graph break gracefully"
_MANAGER = re.compile(r"Unsupported context manager")


def fold_follow_ons(seen: AnalysisContext, groups: Groups) -> dict[Key, list[Break]]:
    """Takes the breaks that follow from another one out of `groups`; returns them by the site that they follow from."""
    followed: dict[Key, list[Break]] = defaultdict(list)
    first: dict[int, Key] = {}
    """By compilation, the first site in it."""
    key_of = {item: key for key, items in groups.items() for item in items}
    for item in seen.evidence.breaks:
        if item in key_of:
            first.setdefault(item.compilation, key_of[item])
    for key in tuple(groups):
        cause = _cause(seen, groups, key, first)
        if cause is not None and cause in groups:
            followed[cause] += [*groups.pop(key), *followed.pop(key, ())]
    return followed


def _cause(seen: AnalysisContext, groups: Groups, key: Key, first: dict[int, Key]) -> Key | None:
    """The site that all breaks of this one follow from, if there is one."""
    causes = {_one(seen, groups, key, item, first) for item in groups[key]}
    return causes.pop() if len(causes) == 1 else None


def _of_object(seen: AnalysisContext, groups: Groups, key: Key, item: Break) -> Key | None:
    """`g = torch.Generator()` breaks, and so does each later line that goes on with `g`, which a graph cannot contain."""
    compilation = seen.compilation(item)
    if compilation is None or compilation.function == function_name(compilation.function):
        return None
    for other, items in groups.items():
        known = key[2] in (other[2], *_OF_OBJECTS)
        if other == key or other[0] != key[0] or not known or not makes_objects(other[2]):
            continue
        before = seen.evidence.breaks.index(items[0]) < seen.evidence.breaks.index(item)
        if before and passed_on.goes_on(seen.evidence.sources, key[0], other[1], key[1]):
            return other
    return None


def _one(seen: AnalysisContext, groups: Groups, key: Key, item: Break, first: dict[int, Key]) -> Key | None:
    before = first.get(item.compilation)
    again = before is not None and (before[:2] == key[:2] or _UNGRACEFUL in item.reason)
    if item.compilation >= 0 and before != key and again:
        return before  # Dynamo met the first break, and then could not compile up to it
    return (
        _of_output(seen, groups, key)
        or _of_interrupted_call(seen, groups, key, item)
        or _of_manager(seen, groups, key, item)
        or _of_iterator(seen, key, item, first)
        or _of_object(seen, groups, key, item)
    )


def _of_output(seen: AnalysisContext, groups: Groups, key: Key) -> Key | None:
    """`print(x.item())` breaks at the number and at the print: kept out of the compiled code, the statement breaks at neither."""
    if key[2] not in _OUTPUTS or not statements.is_output(seen.evidence.sources, key[0], key[1]):
        return None
    own = seen.evidence.breaks.index(groups[key][0])
    same = (other for other in groups if other[:2] == key[:2] and other[2] in _SHOWN)
    return next((other for other in same if seen.evidence.breaks.index(groups[other][0]) < own), None)


def _of_interrupted_call(seen: AnalysisContext, groups: Groups, key: Key, item: Break) -> Key | None:
    """A break between the function of a call and its arguments: the resumed code holds the function, and cannot trace it."""
    compilation = seen.compilation(item)
    if compilation is None or not compilation.function.endswith(f"_at_{key[1]}") or not _IN_C.search(item.reason):
        return None
    return next((other for other in groups if other != key and other[:2] == key[:2]), None)


def _of_manager(seen: AnalysisContext, groups: Groups, key: Key, item: Break) -> Key | None:
    """`with make():` breaks at the call, and again when the resume function enters what the call returned."""
    compilation = seen.compilation(item)
    if compilation is None or not _MANAGER.search(item.reason):
        return None
    if compilation.function == function_name(compilation.function) or compilation.line != key[1]:
        return None
    if not statements.is_with(seen.evidence.sources, key[0], key[1]):
        return None
    return next((other for other in groups if other != key and other[:2] == key[:2]), None)


def _of_iterator(seen: AnalysisContext, key: Key, item: Break, first: dict[int, Key]) -> Key | None:
    """A frame that broke makes its generators in plain Python from there on, and what gets them cannot be traced."""
    compilation = seen.compilation(item)
    if compilation is None or not (_ITERATOR.search(item.reason) or seen.is_leftover(item)):
        return None
    outer = {(f.file, f.function) for f in (*compilation.stack[:-1], *item.stack[:-1])}
    if compilation.function != function_name(compilation.function):
        outer.add((compilation.file, function_name(compilation.function)))
    left = seen.is_leftover(item)
    if left:  # torch's stack may lack the function around a comprehension
        around = locations.enclosing(seen.evidence.sources, compilation.file, compilation.line)
        outer.add((compilation.file, around.rpartition(".")[2]))
    earlier = enumerate(seen.evidence.compilations[: item.compilation])
    broken = [
        index
        for index, one in earlier
        if (one.file, function_name(one.function)) in outer and first.get(index, key) != key
    ]
    given_up = [index for index in broken if seen.gave_up(seen.evidence.compilations[index])]
    order = [*given_up[::-1], *broken] if left else broken
    return first[order[0]] if order else None

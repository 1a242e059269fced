"""A loop or a size over a tensor that was made from a Python list of the same file: it takes the list, which needs no value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libcst as cst

from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import Candidate, Site, Source, names, walk

_MAKERS = ("torch.tensor", "torch.as_tensor", "torch.LongTensor", "torch.IntTensor")


def propose(site: Site) -> Iterator[Candidate]:
    if site.function is None:
        return
    lists = _made_from_lists(site.source)
    if not lists:
        return
    read = _read(site)
    for name in dict.fromkeys(one.value for one in read):
        changes: dict[cst.CSTNode, Any] = {}
        if name in lists and lists[name] in names(site.function):
            changes = {one: cst.Name(lists[name]) for one in read if one.value == name}
        elif name in _parameters(site.function):
            changes = dict(_given(site.source, site.function, name, lists))
        if changes:
            made = ", ".join(sorted({new.value for new in changes.values()}))
            yield Candidate(f"takes {made}, from which the tensor was made", site.source.edited(changes))


def _made_from_lists(source: Source) -> dict[str, str]:
    """The names of tensors that are made from a list with a name: {"shapes": "shapes_list"}."""
    found = {}
    for node in walk(source.module):
        if not (isinstance(node, cst.Assign) and len(node.targets) == 1 and isinstance(node.value, cst.Call)):
            continue
        made, given = node.targets[0].target, node.value.args[0].value if node.value.args else None
        if isinstance(made, cst.Name) and isinstance(given, cst.Name) and source.code(node.value.func) in _MAKERS:
            found[made.value] = given.value
    return found


def _read(site: Site) -> list[cst.Name]:
    """The names on the finding's statement, and in the heads of the loops around it."""
    loops = [one.iter for one in site.source.around(site.statement) if isinstance(one, cst.For)]
    own = (
        [site.statement]
        if isinstance(site.statement, cst.SimpleStatementLine)
        else site.expressions(cst.BaseExpression)
    )
    found = {id(node): node for part in (*own, *loops) for node in walk(part) if isinstance(node, cst.Name)}
    return list(found.values())


def _parameters(function: cst.FunctionDef) -> list[str]:
    """The names that a call fills in, in order: without `self`."""
    found = [one.name.value for one in function.params.params]
    static = any(getattr(one.decorator, "value", "") == "staticmethod" for one in function.decorators)
    return found[1:] if found[:1] in (["self"], ["cls"]) and not static else found


def _given(source: Source, function: cst.FunctionDef, name: str, lists: dict[str, str]) -> Iterator[tuple[Any, Any]]:
    """In the calls of a function, what is passed as `name`, and the list to pass instead."""
    number = _parameters(function).index(name)
    for call in walk(source.module):
        if not isinstance(call, cst.Call) or source.code(call.func).rpartition(".")[2] != function.name.value:
            continue
        plain = [one for one in call.args if one.keyword is None]
        argument = next((one for one in call.args if one.keyword and one.keyword.value == name), None)
        argument = argument or (plain[number] if number < len(plain) and not any(one.star for one in plain) else None)
        caller = next((one for one in source.around(call) if isinstance(one, cst.FunctionDef)), None)
        if argument is None or caller is None or not isinstance(argument.value, cst.Name):
            continue
        listed = lists.get(argument.value.value)
        if listed in names(caller):
            yield argument.value, cst.Name(listed)


REWRITE = Rewrite(
    "list-not-tensor",
    ("tensor-item", "tensor-tolist", "tensor-slice-bound", "range-over-tensor", "data-dependent-branch"),
    propose,
    rank=28,
)

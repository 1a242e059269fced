"""`create_block_mask` is called once for each size, and its result is kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libcst as cst

from compile_doctor.mend.blocks import known_before
from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import Candidate, Site, expression, names, walk
from compile_doctor.mend.sizes import is_size

_NAME = "kept_block_mask"
_CACHE = "functools.lru_cache(maxsize=8)"
_HASHABLE = "# its arguments have to be hashable"
_TITLE = "keeps the block mask of each size, instead of making it at each call"


def propose(site: Site) -> Iterator[Candidate]:
    for call in site.expressions(cst.Call):
        name = site.source.code(call.func)
        if name.rpartition(".")[2] != "create_block_mask" or not call.args:
            continue
        own = _own_names(site)
        if not own & set(names(call.args[0].value)) and not isinstance(call.args[0].value, cst.Lambda):
            head = ("import functools", f"{_NAME} = {_CACHE}({name})  {_HASHABLE}")
            yield Candidate(_TITLE, site.source.edited({call.func: expression(_NAME)}, head))
        elif not own & set(names(call.func)):
            yield from _with_function(site, call, own)
        return


def _own_names(site: Site) -> set[str]:
    """The names of the functions around the call, which a function at module level does not have."""
    around = [one for one in site.source.around(site.statement) if isinstance(one, cst.FunctionDef)]
    found = known_before(site, site.statement)
    for function in around:
        found |= {one.name.value for one in walk(function.params) if isinstance(one, cst.Param)}
        found |= {one.name.value for one in walk(function.body) if isinstance(one, cst.FunctionDef)}
    return found


def _with_function(site: Site, call: cst.Call, own: set[str]) -> Iterator[Candidate]:
    """A mask_mod that is made at each call is another key each time: it is made where the mask is, and sizes are the key."""
    moved = _moved(site, call.args[0].value)
    keys: dict[str, tuple[str, list[cst.CSTNode]]] = {}
    for part in [call.args[0].value, *moved]:
        if not _collect(site, part, own - {one.name.value for one in moved} - _bound(part), keys):
            return  # it reads a tensor, or what may be one: a cache would not see that its values change
    for argument in call.args[1:]:
        if own & set(names(argument.value)):  # sizes and a device, by the signature of create_block_mask
            _key(site, argument.value, keys)
    parameters = _parameters(keys)
    changes = {node: cst.Name(parameters[text]) for text, (_, nodes) in keys.items() for node in nodes}
    lines = [f"\n\n@{_CACHE}", f"def {_NAME}({', '.join(parameters.values())}):"]
    for one in moved:
        lines += [f"    {line}" for line in _changed(site, one, changes).strip().splitlines()]
    lines.append(f"    return {_changed(site, call, changes)}\n")
    edits: dict[cst.CSTNode, Any] = {call: expression(f"{_NAME}({', '.join(keys)})")}
    edits |= {one: cst.RemoveFromParent() for one in moved if _only_here(site, one, call)}
    yield Candidate(_TITLE, site.source.edited(edits, ("import functools", "\n".join(lines))))


def _moved(site: Site, mask: cst.CSTNode) -> list[cst.FunctionDef]:
    """The functions that are made around the call and that the mask needs."""
    around = site.function.body if site.function is not None else site.source.module
    made = {one.name.value: one for one in walk(around) if isinstance(one, cst.FunctionDef)}
    found: dict[str, cst.FunctionDef] = {}
    pending: list[cst.CSTNode] = [mask]
    while pending:
        for name in names(pending.pop()):
            if name in made and name not in found:
                found[name] = made[name]
                pending.append(made[name].body)
    return sorted(found.values(), key=site.source.lines)


def _bound(part: cst.CSTNode) -> set[str]:
    """The parameters of a function, and what it assigns."""
    found = {one.name.value for one in walk(part) if isinstance(one, cst.Param)}
    return found | {
        one.target.value for one in walk(part) if isinstance(one, cst.AssignTarget) and isinstance(one.target, cst.Name)
    }


def _collect(site: Site, node: Any, free: set[str], keys: dict[str, Any]) -> bool:
    """Notes the largest expressions of free names that are sizes; False if a free name is left that is none."""
    if isinstance(node, cst.BaseExpression) and free & set(names(node)) and not isinstance(node, cst.Lambda):
        if not isinstance(node, (cst.BinaryOperation, cst.UnaryOperation)) and is_size(site, node):
            _key(site, node, keys)
            return True
        if isinstance(node, cst.Name):
            return False
    skipped = (
        {getattr(node, "attr", None), getattr(node, "keyword", None)} - {None}
        if not isinstance(node, cst.Name)
        else set()
    )
    return all(_collect(site, one, free, keys) for one in node.children if one not in skipped)


def _key(site: Site, node: cst.CSTNode, keys: dict[str, Any]) -> None:
    keys.setdefault(site.source.code(node), (site.source.code(node), []))[1].append(node)


def _parameters(keys: dict[str, Any]) -> dict[str, str]:
    """A name for each key: `window` for `self.window`, `x_shape_1` for `x.shape[1]`."""
    found: dict[str, str] = {}
    for text in keys:
        plain = "_".join(filter(None, "".join(c if c.isalnum() else " " for c in text.removeprefix("self.")).split()))
        found[text] = plain if plain.isidentifier() and plain not in found.values() else f"size_{len(found)}"
    return found


def _changed(site: Site, node: cst.CSTNode, changes: dict[cst.CSTNode, Any]) -> str:
    return site.source.replaced(node, changes)


def _only_here(site: Site, function: cst.FunctionDef, call: cst.Call) -> bool:
    """Whether nothing but the call, and the functions that move with it, names the function."""
    around = site.function.body if site.function is not None else site.source.module
    inside = sum(1 for one in walk(call) if isinstance(one, cst.Name) and one.value == function.name.value)
    return sum(1 for one in names(around) if one == function.name.value) <= inside + 1


REWRITE = Rewrite("kept-block-mask", ("mask-per-call",), propose)

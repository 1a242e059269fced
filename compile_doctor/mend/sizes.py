"""Expressions that are numbers by the way in which they are written: what may be the key of a cache, unlike a tensor."""

from __future__ import annotations

from typing import Any

import libcst as cst

from compile_doctor.mend.site import Site, Source, names, walk

_LITERALS = (cst.Integer, cst.Float, cst.SimpleString)
_CONSTANTS = ("None", "True", "False")
_TYPES = ("int", "float", "bool", "str", "torch.device", "torch.dtype")
_PARTS = ("device", "dtype", "ndim")


def is_size(site: Site, node: Any, scope: cst.FunctionDef | None = None, known: frozenset[str] = frozenset()) -> bool:
    """Whether it is a number, a text, a device or a dtype, whatever the program does. False if that cannot be seen.

    `scope`: the function in which it is written, by default that of the finding. `known`: names that are being asked about.
    """
    source, scope = site.source, scope or site.function
    if isinstance(node, _LITERALS):
        return True
    if isinstance(node, (cst.BinaryOperation, cst.UnaryOperation)):
        parts = [node.left, node.right] if isinstance(node, cst.BinaryOperation) else [node.expression]
        return all(is_size(site, one, scope, known) for one in parts)
    if isinstance(node, cst.Subscript):
        return isinstance(node.value, cst.Attribute) and node.value.attr.value == "shape"
    if isinstance(node, cst.Call):
        method = node.func.attr.value if isinstance(node.func, cst.Attribute) else ""
        return source.code(node.func) in ("len", "int") or (method == "size" and bool(node.args))
    name = source.code(node)
    if isinstance(node, cst.Name) and node.value in _CONSTANTS:
        return True
    if isinstance(node, cst.Name):
        around = [one for one in source.around(scope) if isinstance(one, cst.FunctionDef)] if scope else []
        given = next(filter(None, ([(one, each) for each in _given(source, one, name)] for one in around)), [])
    elif isinstance(node, cst.Attribute) and source.code(node.value) == "self":
        owner = next((one for one in source.around(scope) if isinstance(one, cst.ClassDef)), None) if scope else None
        methods = [one for one in walk(owner) if isinstance(one, cst.FunctionDef)] if owner is not None else []
        given = [(one, each) for one in methods for each in _given(source, one, name)]
    else:
        return isinstance(node, cst.Attribute) and node.attr.value in _PARTS
    if name in known:
        return True  # `n = n + 1`: what else is given to it decides
    further = known | {name}
    return bool(given) and all(
        each is True or (each is not False and is_size(site, each, one, further)) for one, each in given
    )


def _given(source: Source, function: cst.FunctionDef, name: str) -> list[Any]:
    """What one function gives to a name as its parameter, or by assignments."""
    found: list[Any] = []
    for parameter in (*function.params.params, *function.params.kwonly_params):
        if parameter.name.value == name:
            typed = source.code(parameter.annotation.annotation) if parameter.annotation else ""
            found.append(
                typed in _TYPES or (parameter.default is not None and isinstance(parameter.default, _LITERALS))
            )
    for node in walk(function.body):
        if isinstance(node, cst.Assign):
            for target in node.targets:
                found += _from(source, target.target, node.value, name)
        elif isinstance(node, (cst.AugAssign, cst.AnnAssign, cst.NamedExpr, cst.For, cst.AsName)):
            written = node.name if isinstance(node, cst.AsName) else node.target
            found += [False] if name in (source.code(written), *names(written)) else []
    return found


def _from(source: Source, target: Any, value: Any, name: str) -> list[Any]:
    """What one assignment gives to it, which may be a part: `b, n, d = x.shape`."""
    if isinstance(target, (cst.Tuple, cst.List)):
        several = [source.code(one.value) for one in target.elements]
        if name not in several:
            return []
        if isinstance(value, (cst.Tuple, cst.List)) and len(value.elements) == len(several):
            return [value.elements[several.index(name)].value]
        shape = isinstance(value, cst.Attribute) and value.attr.value == "shape"
        size = isinstance(value, cst.Call) and isinstance(value.func, cst.Attribute) and value.func.attr.value == "size"
        return [shape or size]
    return [value] if source.code(target) == name else []

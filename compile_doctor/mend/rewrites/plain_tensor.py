"""A number that is read from a tensor stays a tensor: without its gradient, as the number had none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libcst as cst

from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import Candidate, Site, expression

_MATH = {"sqrt", "exp", "log", "log2", "log10", "sin", "cos", "tan", "tanh", "floor", "ceil", "fabs"}


def propose(site: Site) -> Iterator[Candidate]:
    for node in site.expressions(cst.Call):
        text = _kept(site, node)
        if text is None:
            continue
        outer = _around(site, node, text)
        where, new = outer if outer is not None else (node, text)
        yield Candidate("keeps the value a tensor", site.source.edited({where: expression(new)}))
        return


def _kept(site: Site, node: cst.Call) -> str | None:
    """`x.item()`, `float(x)` or `int(x)` as a tensor; None for any other call."""
    function = node.func
    if isinstance(function, cst.Attribute) and function.attr.value == "item" and not node.args:
        return f"{site.source.code(function.value)}.detach()"
    if isinstance(function, cst.Name) and function.value in ("float", "int") and len(node.args) == 1:
        inner = node.args[0].value
        if isinstance(inner, (cst.SimpleString, cst.Integer, cst.Float)):
            return None
        code = _kept(site, inner) if isinstance(inner, cst.Call) else None
        code = code or f"({site.source.code(inner)}).detach()"
        return code + (".long()" if function.value == "int" else ".float()")
    return None


def _around(site: Site, node: cst.Call, text: str) -> tuple[cst.CSTNode, str] | None:
    """The call that takes the number, as one that takes a tensor: `max(0.1, n)`, `math.sqrt(n)`; None for any other."""
    argument = site.source.parent(node)
    call: Any = site.source.parent(argument) if isinstance(argument, cst.Arg) else None
    if not isinstance(call, cst.Call):
        return None
    name = site.source.code(call.func)
    if name in ("max", "min") and len(call.args) == 2:
        other = next(one for one in call.args if one is not argument)
        return call, f"torch.clamp({text}, {'min' if name == 'max' else 'max'}={site.source.code(other.value)})"
    module, _, function = name.rpartition(".")
    if module == "math" and function in _MATH and len(call.args) == 1:
        return call, f"torch.{'abs' if function == 'fabs' else function}({text})"
    return None


REWRITE = Rewrite("plain-tensor", ("tensor-item",), propose, rank=40)

"""What a block of statements writes, and which of it is needed afterwards: for rewrites that move a block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import libcst as cst

from compile_doctor.mend.site import Site, Source, names, walk

LEAVES = (cst.Return, cst.Raise, cst.Break, cst.Continue, cst.Yield, cst.Await, cst.Global, cst.Nonlocal)


def leaves(body: Iterable[cst.CSTNode]) -> bool:
    """Whether a block can be left before its end, or writes names of another scope."""
    return any(isinstance(node, LEAVES) for one in body for node in walk(one))


def targets(source: Source, body: Iterable[cst.CSTNode]) -> list[str]:
    """What a block assigns, at any depth, as written: `x`, `self.scale`. Also buffers that it registers."""
    found: dict[str, None] = {}
    for node in _outside_of_functions(body):
        if isinstance(node, cst.Assign):
            for target in node.targets:
                found |= dict.fromkeys(_names_in(source, target.target))
        elif isinstance(node, (cst.AugAssign, cst.AnnAssign, cst.For)):
            found |= dict.fromkeys(_names_in(source, node.target))
        elif isinstance(node, cst.Call):
            buffer = registered(source, node)
            found |= {buffer: None} if buffer else {}
    return list(found)


def registered(source: Source, call: cst.Call) -> str:
    """`self.scale` for `self.register_buffer("scale", …)`; empty for any other call."""
    function = call.func
    if not (isinstance(function, cst.Attribute) and function.attr.value == "register_buffer" and call.args):
        return ""
    name = text_of(call.args[0].value)
    return f"{source.code(function.value)}.{name}" if name else ""


def text_of(value: cst.CSTNode) -> str:
    """The text of a plain string; empty for anything else."""
    found = value.evaluated_value if isinstance(value, cst.SimpleString) else ""
    return found if isinstance(found, str) else ""


def _names_in(source: Source, target: Any) -> Iterator[str]:
    if isinstance(target, (cst.Tuple, cst.List)):
        for element in target.elements:
            yield from _names_in(source, element.value)
    else:
        yield source.code(target)


def _outside_of_functions(body: Iterable[cst.CSTNode]) -> Iterator[cst.CSTNode]:
    for node in body:
        yield node
        if not isinstance(node, (cst.FunctionDef, cst.ClassDef, cst.Lambda)):
            yield from _outside_of_functions(node.children)


def known_before(site: Site, statement: Any) -> set[str]:
    """The plain names that the function has assigned before a statement, and its parameters."""
    if site.function is None:
        return set()
    first = site.source.lines(statement)[0]
    written = {one.name.value for one in walk(site.function.params) if isinstance(one, cst.Param)}
    for node in walk(site.function.body):
        if isinstance(node, (cst.Assign, cst.AugAssign, cst.AnnAssign, cst.For)) and site.source.lines(node)[0] < first:
            written |= set(targets(site.source, [node]))
    return written


def read_after(site: Site, statement: Any) -> set[str]:
    """The plain names that the function mentions after a statement; all of them if a loop around it comes back."""
    if site.function is None:
        return set()
    last = site.source.lines(statement)[1]
    around = [one for one in site.source.around(statement) if isinstance(one, (cst.For, cst.While))]
    if (around and around[0] is not statement) or around[1:]:
        return set(names(site.function))
    return {
        one.value for one in walk(site.function.body) if isinstance(one, cst.Name) and site.source.lines(one)[0] > last
    }


def indented(source: Source, body: Sequence[Any], by: str = "    ") -> list[str]:
    """The lines of a block, with its own indentation replaced."""
    text = "".join(cst.Module([one]).code for one in body)
    return [by + line if line.strip() else line for line in text.splitlines()]

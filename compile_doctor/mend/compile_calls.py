"""Where the user calls torch.compile, on what, and where the result is called: for rewrites of that place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import libcst as cst

from compile_doctor.mend.site import Site, Source, expression, names, only, walk

_FUNCTION = ("torch.compile", "compile")
_PARTIAL = ("functools.partial", "partial")


@dataclass(frozen=True)
class CompileCall:
    """`torch.compile(model)`, `model.compile()`, or the decorator `@torch.compile`."""

    file: str
    node: Any
    """The call, or the decorator's name if it is not called."""
    compiled: tuple[str, ...]
    """The plain names in what it compiles: `Net` and `width` of `Net(width)`; the name of the decorated function."""
    result: str
    """What is called afterwards, as written: `self.block`, `step`; empty if that is not known."""

    def with_option(self, name: str, value: str) -> cst.Call:
        """The same with an option of torch.compile."""
        added = cst.Arg(
            keyword=cst.Name(name),
            value=expression(value),
            equal=cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace("")),
        )
        if not isinstance(self.node, cst.Call):
            return cst.Call(self.node, [added])
        kept = [one for one in self.node.args if not (one.keyword and one.keyword.value == name)]
        return self.node.with_changes(args=[*kept, added])


def compile_calls(site: Site) -> list[CompileCall]:
    """Those in the files of the user."""
    return [one for file, source in site.files.items() for one in _in_file(file, source)]


def about(site: Site, calls: list[CompileCall]) -> list[CompileCall]:
    """Those that compile the function of the finding, by the names in them; all if none does: it is called from another one."""
    if site.function is None:
        return calls
    owner = next((one for one in site.source.around(site.function) if isinstance(one, cst.ClassDef)), None)
    wanted = (owner or site.function).name.value
    found = [one for one in calls if wanted in _meant(site.files[one.file], one)]
    return found or calls


def _meant(source: Source, call: CompileCall) -> set[str]:
    """The names in what is compiled, and those in what is assigned to them: `Net` for `net` after `net = Net()`."""
    found = set(call.compiled)
    for node in walk(source.module):
        target = node.targets[0].target if isinstance(node, cst.Assign) else None
        if isinstance(node, cst.Assign) and isinstance(target, cst.Name) and target.value in call.compiled:
            found |= set(names(node.value))
    return found


def _in_file(file: str, source: Source) -> Iterator[CompileCall]:
    own = _imports_compile(source)
    for node in walk(source.module):
        if isinstance(node, cst.Decorator):
            function = source.parent(node)
            if isinstance(function, cst.FunctionDef) and _is_compile(source, _bare(source, node.decorator), own):
                yield CompileCall(file, node.decorator, (function.name.value,), function.name.value)
        elif isinstance(node, cst.Call) and node.args and _is_compile(source, node.func, own):
            if node.args[0].keyword is None:
                yield CompileCall(file, node, tuple(names(node.args[0].value)), _assigned_to(source, node))
        elif isinstance(node, cst.Call) and _is_method(source, node):
            yield CompileCall(file, node, tuple(names(node.func)), source.code(node.func).rpartition(".")[0])


def _bare(source: Source, decorator: cst.BaseExpression) -> cst.BaseExpression:
    """`torch.compile` of `torch.compile(dynamic=True)` and of `partial(torch.compile, dynamic=True)`."""
    if not isinstance(decorator, cst.Call):
        return decorator
    return decorator.args[0].value if source.code(decorator.func) in _PARTIAL and decorator.args else decorator.func


def _is_compile(source: Source, function: cst.BaseExpression, own: bool) -> bool:
    name = source.code(function)
    return name == _FUNCTION[0] or (own and name == _FUNCTION[1])


def _imports_compile(source: Source) -> bool:
    """Whether `compile` is torch's: without `from torch import compile` it is Python's own."""
    found = [node for node in walk(source.module) if isinstance(node, cst.ImportFrom) and node.module]
    return any(
        source.code(one.module) == "torch" and "compile" in source.code(one).split("import", 1)[1].split()
        for one in found
        if one.module
    )


def _is_method(source: Source, call: cst.Call) -> bool:
    """`model.compile()` as a statement of its own; `re.compile(…)` makes something, and is never alone."""
    function = call.func
    if not (isinstance(function, cst.Attribute) and function.attr.value == "compile"):
        return False
    alone = only(source.parent(source.parent(call) or call))
    return isinstance(alone, cst.Expr) and alone.value is call and not any(one.keyword is None for one in call.args)


def _assigned_to(source: Source, call: cst.Call) -> str:
    parent = source.parent(call)
    if isinstance(parent, cst.Assign) and len(parent.targets) == 1:
        return source.code(parent.targets[0].target)
    return ""

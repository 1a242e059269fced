"""Facts from the syntax trees of the user's own files. They complete a run, which sees only the lines that it reaches."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from compile_doctor.source.flash_attn.calls import FlashCall, FlashImport, FlashUse, find_flash_attn
from compile_doctor.source.names import Names, parsed

_DISABLES = frozenset({"torch.compiler.disable", "torch._dynamo.disable"})
_MASK_MAKERS = frozenset({"torch.nn.attention.flex_attention.create_block_mask"})
_FLEX = "torch.nn.attention.flex_attention.flex_attention"


@dataclass(frozen=True)
class Place:
    """A line of a file; `name` is what is there."""

    file: str
    line: int
    function: str
    name: str


@dataclass(frozen=True)
class StaticFacts:
    """The facts of all files, in the order of file and line."""

    disable_contexts: tuple[Place, ...]
    """`with torch.compiler.disable():`."""
    flash_attn_imports: tuple[FlashImport, ...]
    flash_attn_calls: tuple[FlashCall, ...]
    flash_attn_uses: tuple[FlashUse, ...]
    masks_in_forward: tuple[Place, ...]
    """Calls of create_block_mask in a `forward`, with a function that is defined in it."""


def read_static(sources: Mapping[str, str]) -> StaticFacts:
    """Reads the facts of files (path to source). Files that do not parse are left out: Python could not import them either."""
    found: dict[str, list[Place]] = {"disable": [], "mask": []}
    for file, text in sorted(sources.items()):
        for kind, line, function, name in _facts(text):
            found[kind].append(Place(file, line, function, name))
    flash = find_flash_attn(sources)
    return StaticFacts(tuple(found["disable"]), flash.imports, flash.calls, flash.uses, tuple(found["mask"]))


@lru_cache(maxsize=256)
def _facts(text: str) -> tuple[tuple[str, int, str, str], ...]:
    tree = parsed(text)
    if tree is None:
        return ()
    return tuple(_Walker(tree).walk(tree, (), frozenset()))


class _Walker:
    def __init__(self, tree: ast.AST) -> None:
        self.names = Names(tree)

    def walk(self, node: ast.AST, path: tuple[str, ...], local: frozenset[str]) -> Iterator[tuple[str, int, str, str]]:
        for child in ast.iter_child_nodes(node):
            inside, known = path, local
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                inside = (*path, child.name)
                if not isinstance(child, ast.ClassDef):
                    known = frozenset(one.name for one in ast.walk(child) if isinstance(one, ast.FunctionDef)) - {
                        child.name
                    }
            yield from self._own(child, ".".join(path) or "<module>", path, local)
            yield from self.walk(child, inside, known)

    def _own(
        self, node: ast.AST, function: str, path: tuple[str, ...], local: frozenset[str]
    ) -> Iterator[tuple[str, int, str, str]]:
        if isinstance(node, (ast.With, ast.AsyncWith)):
            for item in node.items:
                expression = item.context_expr
                called = self.names.of(expression.func) if isinstance(expression, ast.Call) else ""
                if called in _DISABLES:
                    yield "disable", expression.lineno, function, called
        if isinstance(node, ast.Call) and self.names.of(node.func) in _MASK_MAKERS and path and path[-1] == "forward":
            named = next((one.value for one in node.keywords if one.arg == "mask_mod"), None)
            first = node.args[0] if node.args else named
            if isinstance(first, ast.Lambda) or (isinstance(first, ast.Name) and first.id in local):
                yield "mask", node.lineno, function, "create_block_mask"


def producer(text: str, line: int, argument: int) -> tuple[int, str] | None:
    """(line, source) of the assignment in the same function that set a call's positional argument; None without one.

    For `flex_attention(q, k, v)` at `line` and argument 1: the last assignment to `k` before it.
    """
    tree = parsed(text)
    if tree is None:
        return None
    functions = [
        n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.lineno <= line <= (n.end_lineno or 0)
    ]
    if not functions:
        return None
    function = max(functions, key=lambda one: one.lineno)
    calls = [n for n in ast.walk(function) if isinstance(n, ast.Call) and n.lineno <= line <= (n.end_lineno or 0)]
    for call in sorted(calls, key=lambda one: -len(one.args)):
        if len(call.args) > argument and isinstance(call.args[argument], ast.Name):
            wanted = call.args[argument]
            assert isinstance(wanted, ast.Name)
            return _assigned(function, wanted.id, call.lineno, text)
    return None


def _assigned(
    function: ast.FunctionDef | ast.AsyncFunctionDef, name: str, before: int, text: str
) -> tuple[int, str] | None:
    best: ast.Assign | ast.AnnAssign | None = None
    for node in ast.walk(function):
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.lineno < before:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {
                one.id
                for target in targets
                for one in ast.walk(target)
                if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)
            }
            if name in names and (best is None or node.lineno > best.lineno):
                best = node
    if best is None or best.value is None:
        return None
    return best.lineno, (ast.get_source_segment(text, best.value) or "").split("\n", 1)[0][:120]

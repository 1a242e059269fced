"""A file's syntax tree as the advice reads it: from a node outwards, as the user wrote it, with what its inputs were."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache

from compile_doctor.model.compilations import Given
from compile_doctor.source.code_of import code_of
from compile_doctor.source.locations import lines_of
from compile_doctor.source.names import Names, parsed

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)

Function = (*FUNCTIONS, ast.Module)

_READING = frozenset({"get", "keys", "items", "values", "index", "count", "copy"})
"""Methods of a list or a dict that leave it as it is."""


class Tree:
    """A file's syntax tree with the way from each node to the one around it."""

    def __init__(self, text: str, tree: ast.Module, line: int = 0, inputs: tuple[Given, ...] = ()) -> None:
        """`inputs`: the tensors that the function around the line was seen to read."""
        self.lines = [line.encode() for line in lines_of(text.lstrip("\ufeff"))]
        self.names = Names(tree)
        self.root = tree
        self.parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        self.inputs = inputs
        self._line = line
        self._inputs = {given.name: given for given in inputs}
        self._read_by = self._function(self.statement(line)) if inputs else None

    def source(self, node: ast.AST, instead: Mapping[ast.AST, str] | None = None) -> str:
        """The node as the user wrote it, on one line; `instead` has other text for nodes inside of it."""
        first, last = getattr(node, "lineno", 0), getattr(node, "end_lineno", 0) or 0
        lines = self.lines[first - 1 : last] if first else []
        if not lines or (len(lines) > 1 and any(b"#" in line for line in lines)):
            return code_of(_replaced(node, instead) if instead else node)
        lines[-1] = lines[-1][: getattr(node, "end_col_offset", None)]
        for one, text in sorted((instead or {}).items(), key=lambda pair: position_of(pair[0]), reverse=True):
            (top, left), (bottom, right) = position_of(one), _end(one)
            lines[top - first] = lines[top - first][:left] + text.encode() + lines[bottom - first][right:]
            lines[top - first + 1 : bottom - first + 1] = []
        lines[0] = lines[0][getattr(node, "col_offset", 0) :]
        return " ".join(b" ".join(lines).decode("utf-8", "replace").split())

    def head(self, statement: ast.AST) -> str:
        """The statement on one line; of a compound one the part up to its colon."""
        body = getattr(statement, "body", None)
        text = self.source(statement)
        if isinstance(body, list) and body:
            first = self.source(body[0])
            text = text[: text.index(first)].strip() if first in text else text
        return text

    def around(self, node: ast.AST, kind: type[ast.AST] | tuple[type[ast.AST], ...]) -> ast.AST | None:
        """The innermost node of this kind around another."""
        at = self.parents.get(node)
        while at is not None and not isinstance(at, kind):
            at = self.parents.get(at)
        return at

    def statement(self, line: int) -> ast.stmt | None:
        """The innermost statement at a line."""
        return self._statements.get(line)

    @cached_property
    def _statements(self) -> dict[int, ast.stmt]:
        found: dict[int, ast.stmt] = {}
        for node in ast.walk(self.root):  # outer ones before inner ones
            if isinstance(node, ast.stmt):
                found.update(dict.fromkeys(range(node.lineno, (node.end_lineno or node.lineno) + 1), node))
        return found

    def seen(self, node: ast.AST) -> Given | None:
        """The tensor that a name, an attribute of `self`, or a part of one was when its function was called, if that was recorded."""
        if not self._inputs or self._read_by is None or self._function(node) is not self._read_by:
            return None
        given = self._inputs.get(code_of(node) if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)) else "")
        if given is None or "[" not in given.name:
            return None if given is not None and given.late and self._is_stored(given.name) else given
        return None if self._is_changed(given.name.partition("[")[0]) else given

    def _is_stored(self, name: str) -> bool:
        """Whether the function gives the name a value before the line that breaks."""
        assert self._read_by is not None
        names = (one for one in ast.walk(self._read_by) if isinstance(one, ast.Name) and one.id == name)
        return any(not isinstance(one.ctx, ast.Load) and one.lineno <= self._line for one in names)

    def _is_changed(self, container: str) -> bool:
        """Whether the function gives a list or a dict other elements, or its name another value."""
        assert self._read_by is not None
        for one in ast.walk(self._read_by):
            if isinstance(one, (ast.Name, ast.Attribute)) and code_of(one) == container:
                parent = self.parents.get(one)
                called = isinstance(parent, ast.Attribute) and parent.attr not in _READING
                stored = isinstance(parent, ast.Subscript) and not isinstance(parent.ctx, ast.Load)
                if called or stored or not isinstance(one.ctx, ast.Load):
                    return True
        return False

    def _function(self, node: ast.AST | None) -> ast.AST | None:
        return self.around(node, (ast.FunctionDef, ast.AsyncFunctionDef)) if node is not None else None

    def is_parameter(self, node: ast.AST) -> bool:
        """Whether a name is an argument of its function."""
        return isinstance(node, ast.Name) and is_parameter(self.scope(node), node.id)

    def scope(self, node: ast.AST) -> ast.AST:
        """The function around a node, or the module."""
        return self.around(node, Function) or self.root


def position_of(node: ast.AST) -> tuple[int, int]:
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)


def _end(node: ast.AST) -> tuple[int, int]:
    return getattr(node, "end_lineno", 0), getattr(node, "end_col_offset", 0)


def _replaced(node: ast.AST, instead: Mapping[ast.AST, str]) -> ast.AST:
    """A copy of the node with names of that text; for lines with comments between their parts."""
    places = {(position_of(one), _end(one)): text for one, text in instead.items()}

    class Replace(ast.NodeTransformer):
        def visit(self, one: ast.AST) -> ast.AST:
            text = places.get((position_of(one), _end(one))) if isinstance(one, ast.expr) else None
            return ast.Name(text, ast.Load()) if text is not None else self.generic_visit(one)

    made: ast.AST = Replace().visit(copy.deepcopy(node))
    return made


@lru_cache(maxsize=64)
def tree_of(text: str, line: int = 0, inputs: tuple[Given, ...] = ()) -> Tree | None:
    """None for a file that does not parse. `inputs`: what the function around a line was seen to read."""
    tree = parsed(text)
    try:
        return Tree(text, tree, line, inputs) if tree is not None else None
    except RecursionError:
        return None


def expressions_of(statement: ast.stmt) -> Iterator[ast.expr]:
    """The expressions of a statement, without those of the statements inside of it; outer ones first."""
    waiting: list[ast.AST] = [node for node in ast.iter_child_nodes(statement) if not isinstance(node, ast.stmt)]
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.expr):
            yield node
        waiting.extend(child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.stmt))


def called(call: ast.Call) -> str:
    """The last part of a called function's name."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def is_parameter(where: ast.AST | None, name: str) -> bool:
    if not isinstance(where, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        return False
    return any(isinstance(one, ast.arg) and one.arg == name for one in ast.walk(where.args))

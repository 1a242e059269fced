"""What a value of a line is used for afterwards: an index, a slice bound, a size, a branch, text, arithmetic."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

from compile_doctor.model.compilations import Given
from compile_doctor.source.code_of import code_of
from compile_doctor.source.locations import lines_of
from compile_doctor.source.names import Names, parsed

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
Function = (*FUNCTIONS, ast.Module)
PRIORITY = (
    "index",
    "module",
    "key",
    "slice",
    "padding",
    "seed",
    "loop",
    "condition",
    "comparison",
    "element",
    "split",
    "view",
    "size",
    "text",
    "math",
    "arithmetic",
    "stored",
    "kept",
    "returned",
    "argument",
)
"""If a value has several uses, the first of these decides: it is the one that a fix has to care about most."""
_LISTS = frozenset({"list", "tuple", "split", "unbind", "chunk", "ParameterList"})
_MODULES = frozenset({"ModuleList", "Sequential"})
_DICTS = frozenset({"dict", "ModuleDict", "ParameterDict", "OrderedDict", "defaultdict"})
_CALLS = {
    "padding": "pad ConstantPad1d ConstantPad2d ZeroPad1d ZeroPad2d",
    "split": "split split_with_sizes",
    "view": "view reshape unflatten view_as_windows",
    "size": "zeros ones empty full rand randn eye arange new_zeros new_ones new_empty new_full expand narrow "
    "interpolate broadcast_to",
    "seed": "manual_seed manual_seed_all seed default_rng RandomState",
    "loop": "range",
    "text": "print str repr format info debug warning error critical log write add_scalar",
    "kept": "append extend add update setdefault appendleft insert put",
    "comparison": "isnan isinf isfinite",
    "arithmetic": "tensor as_tensor linspace clamp clamp_ mul mul_ add_ sub sub_ div div_ pow fill_ masked_fill masked_fill_ lerp "
    "full_like clip",
}
_BY_CALL = {name: use for use, names in _CALLS.items() for name in names.split()}
_MATH = frozenset({"log", "write", "insert", "add"})
_DECIDING = frozenset(PRIORITY[: PRIORITY.index("text")])
"""Uses for which the value itself has to be known, or a size: what was calculated with it may be a tensor in the others."""
_THROUGH = frozenset(
    {
        "max",
        "min",
        "abs",
        "int",
        "float",
        "round",
        "sum",
        "tuple",
        "list",
        "reversed",
        "sorted",
        "len",
        "enumerate",
        "zip",
    }
)
"""Builtins through which the value goes on."""
_READING = frozenset({"get", "keys", "items", "values", "index", "count", "copy"})
"""Methods of a list or a dict that leave it as it is."""


@dataclass(frozen=True)
class Use:
    """`index` of `steps[i]`: the kind of use, the expression that uses the value, and what is indexed there."""

    kind: str
    node: ast.AST
    container: ast.expr | None = None


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
        for one, text in sorted((instead or {}).items(), key=lambda pair: _position(pair[0]), reverse=True):
            (top, left), (bottom, right) = _position(one), _end(one)
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
        return isinstance(node, ast.Name) and _is_parameter(self.scope(node), node.id)

    def scope(self, node: ast.AST) -> ast.AST:
        """The function around a node, or the module."""
        return self.around(node, Function) or self.root


def _position(node: ast.AST) -> tuple[int, int]:
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)


def _end(node: ast.AST) -> tuple[int, int]:
    return getattr(node, "end_lineno", 0), getattr(node, "end_col_offset", 0)


def _replaced(node: ast.AST, instead: Mapping[ast.AST, str]) -> ast.AST:
    """A copy of the node with names of that text; for lines with comments between their parts."""
    places = {(_position(one), _end(one)): text for one, text in instead.items()}

    class Replace(ast.NodeTransformer):
        def visit(self, one: ast.AST) -> ast.AST:
            text = places.get((_position(one), _end(one))) if isinstance(one, ast.expr) else None
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


def uses_of(tree: Tree, node: ast.expr, depth: int = 3) -> list[Use]:
    """The uses of an expression's value; first the one that a fix has to care about most."""
    return sorted(_uses(tree, node, depth, ()), key=lambda use: PRIORITY.index(use.kind))


def _uses(tree: Tree, node: ast.expr, depth: int, path: tuple[int, ...]) -> Iterator[Use]:
    """`path`: which element of the loop's target gets the value, for `zip` and `enumerate`."""
    child: ast.AST = node
    calculated = False
    while (parent := tree.parents.get(child)) is not None:
        if isinstance(parent, ast.Slice):
            subscript = tree.around(parent, ast.Subscript)
            assert isinstance(subscript, ast.Subscript)
            yield Use("slice", subscript, subscript.value)
            return
        if isinstance(parent, ast.Subscript) and child is parent.slice:
            yield Use(_kind_of(tree, parent.value), parent, parent.value)
            return
        if isinstance(parent, ast.Call):
            kind, step = _in_call(tree, parent, child)
            if kind:
                yield Use(kind, parent)
                return
            path = (*step, *path)
            calculated = True
        if isinstance(parent, (ast.JoinedStr, ast.FormattedValue)):
            yield Use("text", parent)
            return
        if isinstance(parent, (ast.Compare, ast.BoolOp)) or (
            isinstance(parent, (ast.If, ast.While, ast.IfExp, ast.Assert)) and child is parent.test
        ):
            yield Use("comparison" if isinstance(parent, ast.Compare) else "condition", parent)
            return
        if isinstance(parent, ast.UnaryOp) and isinstance(parent.op, ast.Not):
            yield Use("condition", parent)
            return
        if isinstance(parent, (ast.Return, ast.Yield)) or (isinstance(parent, ast.Lambda) and child is parent.body):
            yield Use("arithmetic" if calculated else "returned", parent)
            return
        if isinstance(parent, (ast.For, ast.comprehension)):
            if child is parent.iter:
                yield from _follow(tree, parent, _element(parent.target, path), depth)
            return
        if isinstance(parent, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            yield from _assigned(tree, parent, depth, calculated or isinstance(parent, ast.AugAssign))
            return
        if isinstance(parent, ast.stmt):
            return
        calculated |= isinstance(parent, ast.BinOp)
        child = parent


def _in_call(tree: Tree, call: ast.Call, child: ast.AST) -> tuple[str, tuple[int, ...]]:
    """The use of an argument, or none and the element of a loop's target that gets it."""
    name = called(call)
    if child is call.func:
        return "argument", ()
    if isinstance(child, ast.keyword) and child.arg in ("padding", "pad"):
        return "padding", ()
    if name in _THROUGH and isinstance(call.func, ast.Name):
        if name == "enumerate":
            return "", (1,)
        return "", (call.args.index(child),) if name == "zip" and isinstance(child, ast.expr) else ()
    if tree.names.of(call.func).startswith(("math.", "cmath.")):
        return "comparison" if name.startswith("is") else "math", ()
    if name in _MATH and tree.names.of(call.func).startswith("torch."):
        return "arithmetic", ()
    return _BY_CALL.get(name, "argument"), ()


def called(call: ast.Call) -> str:
    """The last part of a called function's name."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _assigned(
    tree: Tree, parent: ast.Assign | ast.AnnAssign | ast.AugAssign, depth: int, calculated: bool
) -> Iterator[Use]:
    for target in parent.targets if isinstance(parent, ast.Assign) else [parent.target]:
        if isinstance(target, (ast.Attribute, ast.Subscript)):
            yield Use("stored", parent)
        else:
            found = list(_follow(tree, parent, target, depth))
            yield from (use for use in found if use.kind in _DECIDING or not calculated)
            if calculated and not any(use.kind in _DECIDING for use in found):
                yield Use("arithmetic", parent)


def _follow(tree: Tree, binding: ast.AST, target: ast.expr | None, depth: int) -> Iterator[Use]:
    """The uses of the names that a target binds, in the function around it."""
    names = {node.id for node in ast.walk(target) if isinstance(node, ast.Name)} if target is not None else set()
    if not depth or not names:
        return
    first = getattr(target, "lineno", 0)
    inside = tree.parents[binding] if isinstance(binding, ast.comprehension) else tree.scope(binding)
    for node in ast.walk(inside):
        if isinstance(node, ast.Name) and node.id in names and isinstance(node.ctx, ast.Load) and node.lineno >= first:
            yield from _uses(tree, node, depth - 1, ())


def _element(target: ast.expr, path: tuple[int, ...]) -> ast.expr:
    """`b` of `i, (a, b)` by the path (1, 1); the target itself if it is a plain name."""
    for step in path:
        if isinstance(target, (ast.Tuple, ast.List)) and step < len(target.elts):
            target = target.elts[step]
    return target


def _kind_of(tree: Tree, container: ast.expr) -> str:
    """`index` into a Python sequence, `module` of a ModuleList, `key` of a dict, or `element` of what may be a tensor."""
    for value in (container, *values_of(tree, container)):
        name = called(value) if isinstance(value, ast.Call) else ""
        if isinstance(value, (ast.List, ast.Tuple, ast.ListComp)) or name in _LISTS:
            return "index"
        if name in _MODULES:
            return "module"
        if isinstance(value, (ast.Dict, ast.DictComp)) or name in _DICTS:
            return "key"
    return "element"


def values_of(tree: Tree, node: ast.expr) -> tuple[ast.expr, ...]:
    """What the function (or the module) assigns to a name, or the class to `self.name`, in the order of the source."""
    if isinstance(node, ast.Attribute):
        own = isinstance(node.value, ast.Name) and node.value.id == "self"
        return _assigned_in(tree.around(node, ast.ClassDef) or tree.root, node) if own else ()
    if not isinstance(node, ast.Name):
        return ()
    where = tree.scope(node)
    while True:  # a nested function reads the names of the one around it
        values = _assigned_in(where, node)
        found = tuple(one for one in values if where is not tree.root or tree.scope(one) is tree.root)
        if found or where is tree.root or _is_parameter(where, node.id):
            return found
        where = tree.scope(where)


def _assigned_in(where: ast.AST, node: ast.expr) -> tuple[ast.expr, ...]:
    wanted = ast.dump(node).replace("Store()", "Load()")
    return tuple(
        one.value
        for one in ast.walk(where)
        if isinstance(one, (ast.Assign, ast.AnnAssign)) and one.value is not None
        for target in (one.targets if isinstance(one, ast.Assign) else [one.target])
        if ast.dump(target).replace("Store()", "Load()") == wanted
    )


def _is_parameter(where: ast.AST | None, name: str) -> bool:
    if not isinstance(where, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        return False
    return any(isinstance(one, ast.arg) and one.arg == name for one in ast.walk(where.args))

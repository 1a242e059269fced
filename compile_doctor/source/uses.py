"""How a line of source uses a name: as a condition, a dimension number, the end of a loop, an index, a number."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import lru_cache

from compile_doctor.source.code_of import code_of
from compile_doctor.source.names import dotted, parsed

_DIMENSIONAL = frozenset(
    {
        "sum",
        "mean",
        "prod",
        "std",
        "var",
        "amax",
        "amin",
        "max",
        "min",
        "argmax",
        "argmin",
        "any",
        "all",
        "norm",
        "softmax",
        "log_softmax",
        "logsumexp",
        "cumsum",
        "cumprod",
        "sort",
        "topk",
        "cat",
        "concat",
        "stack",
        "split",
        "chunk",
        "unbind",
        "select",
        "narrow",
        "squeeze",
        "unsqueeze",
        "transpose",
        "permute",
        "movedim",
        "flip",
        "roll",
        "index_select",
        "gather",
        "scatter",
        "scatter_add",
        "size",
        "flatten",
        "unflatten",
        "repeat_interleave",
        "diff",
        "median",
        "quantile",
    }
)
"""Tensor operators with a dimension number among their arguments."""
_DICT_METHODS = frozenset({"keys", "values", "items", "get", "setdefault", "popitem"})


def role(sources: Mapping[str, str], file: str, line: int, name: str) -> str:
    """`dimension`, `loop`, `condition`, `index`, `text` or `number`; empty if the line does not show it.

    `name` is an identifier: a variable, or the last attribute of a dotted name.
    """
    found = [kind for kind in (_role(path) for path in _paths(sources.get(file, ""), line, name)) if kind]
    order = ("dimension", "loop", "index", "condition", "text", "number")
    return next((kind for kind in order if kind in found), "")


def attribute_reader(sources: Mapping[str, str], file: str, name: str, first: int) -> int | None:
    """The line that reads `self.NAME`: in the function that begins at `first`, else the first one elsewhere in the file."""
    tree = _tree(sources.get(file, ""))
    lines = sorted(line for line, attribute in _reads(tree) if attribute == name) if tree else []
    last = getattr(_function(tree, first), "end_lineno", 0) if tree else 0
    inside = [line for line in lines if first <= line <= last]
    return next(iter(inside or lines), None)


def _reads(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Not those in a constructor: they run before anything is compiled."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef) and child.name == "__init__":
            continue
        if (
            isinstance(child, ast.Attribute)
            and dotted(child) == f"self.{child.attr}"
            and isinstance(child.ctx, ast.Load)
        ):
            yield child.lineno, child.attr
        yield from _reads(child)


def is_dict(sources: Mapping[str, str], file: str, line: int, name: str) -> bool:
    """Whether the function at `line` uses `name` as a dict: with a string as its key, or by `.keys()` and the like."""
    tree = _tree(sources.get(file, ""))
    nodes = list(ast.walk(_function(tree, line))) if tree else []
    loops = (node for node in nodes if isinstance(node, (ast.For, ast.comprehension)))
    keys = {code_of(node.target) for node in loops if any(_is(one, name) for one in ast.walk(node.iter))}
    for node in nodes:
        if isinstance(node, ast.Subscript) and _is(node.value, name):
            key = node.slice
            if isinstance(key, ast.Name) and key.id in keys:
                return True  # `for name in features: features[name]`
            if isinstance(key, ast.JoinedStr) or (isinstance(key, ast.Constant) and isinstance(key.value, str)):
                return True
        if isinstance(node, ast.Attribute) and node.attr in _DICT_METHODS and _is(node.value, name):
            return True
    return False


def stored(sources: Mapping[str, str], file: str, line: int, name: str) -> int | None:
    """The line of the function at `line` that writes a key of `name` (`name["k"] = …`), if there is one."""
    tree = _tree(sources.get(file, ""))
    for node in ast.walk(_function(tree, line)) if tree else ():
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) and _is(node.value, name):
            return node.lineno
    return None


def _role(path: tuple[ast.AST, ...]) -> str:
    """From the name outwards: what the nearest construct does with it."""
    inner = path[-1]
    calculated = False
    for node in reversed(path[:-1]):
        if _asks_for_none(node):
            return ""
        if isinstance(node, ast.keyword) and node.arg in ("dim", "dims", "axis", "dim0", "dim1"):
            return "dimension"
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if inner is node.func:
                return _method(called)
            if called == "range":
                return "loop"
            return "number" if calculated else "dimension" if called in _DIMENSIONAL else ""
        # `x > step * 2` may be of tensors: a condition only if a test is around it.
        if (isinstance(node, (ast.Compare, ast.BoolOp)) and not calculated) or (
            isinstance(node, (ast.If, ast.While, ast.IfExp, ast.Assert)) and node.test is inner
        ):
            return "condition"
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return "condition"
        if isinstance(node, ast.Subscript) and node.slice is inner:
            return "index"
        if isinstance(node, ast.JoinedStr):
            return "text"
        calculated |= isinstance(node, ast.BinOp)
        inner = node
    return "number" if calculated else ""


def _asks_for_none(node: ast.AST) -> bool:
    """`scale is None` needs no number: what varies is used elsewhere."""
    return (
        isinstance(node, ast.Compare)
        and all(isinstance(one, (ast.Is, ast.IsNot)) for one in node.ops)
        and any(isinstance(one, ast.Constant) and one.value is None for one in (node.left, *node.comparators))
    )


def _method(called: str) -> str:
    return "condition" if called in ("startswith", "endswith") else ""


def _paths(text: str, line: int, name: str) -> Iterator[tuple[ast.AST, ...]]:
    tree = _tree(text)
    statement = _statement(tree, line) if tree else None
    if statement is None:
        return
    stack: list[tuple[ast.AST, ...]] = [(statement,)]
    while stack:
        path = stack.pop()
        node = path[-1]
        if _is(node, name) and isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
            yield path
        # The body of an `if` is made of other statements, on lines of their own.
        stack += [(*path, child) for child in ast.iter_child_nodes(node) if not isinstance(child, ast.stmt)]


def _is(node: ast.AST, name: str) -> bool:
    return (isinstance(node, ast.Name) and node.id == name) or (isinstance(node, ast.Attribute) and node.attr == name)


def _statement(tree: ast.Module, line: int) -> ast.stmt | None:
    around = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]
    return max(around, key=lambda node: (node.lineno, -(node.end_lineno or 0)), default=None)


def _function(tree: ast.Module, line: int) -> ast.AST:
    around = [
        node
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.lineno <= line <= (node.end_lineno or 0)
    ]
    return max(around, key=lambda node: node.lineno, default=tree)


@lru_cache(maxsize=64)
def _tree(text: str) -> ast.Module | None:
    return parsed(text)

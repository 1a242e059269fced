"""Who decides a value inside of a package: the argument of a call, of a constructor, or a setting.

A stack has the calls that led to a line. An argument is followed through them, from the function that reads it to the user's
own call.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from compile_doctor.model.stacks import Frame
from compile_doctor.source.assigned import values_of
from compile_doctor.source.classes import classes_named
from compile_doctor.source.locations import module_of
from compile_doctor.source.names import dotted, relative
from compile_doctor.source.trees import FUNCTIONS, Tree, called, expressions_of, tree_of

_CONFIG = re.compile(r"(?:^|_)(?:config|cfg|args|opts?|options|hparams|settings)$")
_NOT_SET = frozenset({*sys.stdlib_module_names, "torch", "numpy"})
"""Packages whose functions and attributes are no settings of the package with the break."""
_MOST = 12
"""Steps from a value to where it comes from."""


@dataclass(frozen=True)
class Origin:
    kind: str
    """`call`, `constructor`, `training` (the mode of a module), or `setting`."""
    name: str = ""
    """The argument, or the whole expression of a setting."""
    of: str = ""
    """What takes the argument: `global_mean_pool`, `GATConv`."""
    at: Frame | None = None
    """The line of the call, of kind `call`."""
    default: str = ""
    """The argument's default, as it is written; empty if it has none."""
    attribute: str = ""
    """The attribute in which a constructor keeps the argument, as it is: setting it afterwards does the same."""


@dataclass(frozen=True)
class Origins:
    """Follows values through one stack, which has the outermost call first and none of torch's ways to call a module."""

    sources: Mapping[str, str]
    stack: Sequence[Frame]
    user: int
    """The number of the user's line in the stack; -1 if it is not in it."""

    def of(self, level: int, node: ast.expr, left: int = _MOST) -> Origin | None:
        """Of an expression in the frame `level`; None if the package decides it, or if it cannot be followed."""
        tree = self.tree(level)
        function = self._function(level)
        if tree is None or function is None or left == 0:
            return None
        if isinstance(node, ast.Call):
            bare = isinstance(node.func, ast.Name)  # `is_tracing()`: what is the case, and nothing that is set
            return None if bare or self._is_local(function, node.func) else self._setting(tree, level, node.func, "()")
        if isinstance(node, ast.Name):
            if node.id in _parameters(function):
                here = getattr(
                    tree.around(node, ast.stmt), "lineno", node.lineno
                )  # `size, n = sizes(⏎ size)` reads first
                stored = any(_is_store(one, node.id) and one.lineno < here for one in ast.walk(function))
                return None if stored else self._argument(level, node.id, left)
            values = values_of(tree, node)
            if values and tree.scope(values[0]) is not tree.root:
                return self.of(level, values[0], left - 1) if len(values) == 1 else None
            constant = values and all(isinstance(value, ast.Constant) for value in values)
            return self._setting(tree, level, node) if constant else None
        if isinstance(node, ast.BinOp):  # a number calculated from an argument
            found = (self.of(level, one, left - 1) for one in (node.left, node.right))
            return next((one for one in found if one and one.kind == "call"), None)
        return self._attribute(tree, level, function, node) if isinstance(node, ast.Attribute) else None

    def _is_local(self, function: ast.AST, node: ast.expr) -> bool:
        """Whether a dotted name begins with one of the function's own, or with the object or class that it belongs to."""
        root = _root(node)
        return root in ("self", "cls", *_parameters(function)) or any(
            _is_store(one, root) for one in ast.walk(function)
        )

    def _setting(self, tree: Tree, level: int, node: ast.expr, call: str = "") -> Origin | None:
        name = tree.names.of(node)
        if name.split(".")[0] in ("", *_NOT_SET):
            return None
        module = module_of(self.stack[level].file)
        known = name != dotted(node) or not module
        return Origin("setting", (name if known else relative(tree.root, module, name, self.stack[level].file)) + call)

    def _attribute(self, tree: Tree, level: int, function: ast.AST, node: ast.Attribute) -> Origin | None:
        name, root = dotted(node), _root(node)
        if root != "self":
            if self._is_local(function, node):
                return Origin("setting", name) if _CONFIG.search(root) else None
            return self._setting(tree, level, node)
        if name == "self.training":
            return Origin("training")
        first, *rest = name.split(".")[1:]
        owner = tree.around(function, ast.ClassDef)
        given, default = self._constructed(owner, first) if isinstance(owner, ast.ClassDef) else ("", "")
        if not given or not isinstance(owner, ast.ClassDef) or (rest and not _CONFIG.search(given)):
            return None
        attribute = ".".join([first, *rest])
        return Origin("constructor", ".".join([given, *rest]), owner.name, default=default, attribute=attribute)

    def _constructed(self, owner: ast.ClassDef, attribute: str, left: int = _MOST) -> tuple[str, str]:
        """The parameter of a class's `__init__`, or of that of a class it is made from, which becomes an attribute; its default."""
        for one in owner.body:
            if isinstance(one, ast.FunctionDef) and one.name == "__init__":
                given = {dotted(value) for value in _stored(one, f"self.{attribute}")}
                found = given.pop() if len(given) == 1 else ""
                if found.split(".")[0] in _parameters(one):
                    return found, _default(one, found)
                if found or given:
                    return "", ""
        bases = [dotted(base).split(".")[-1] for base in owner.bases] if left else []
        above = next((one for one in classes_named(self.sources, *bases) if one is not owner), None)
        return self._constructed(above, attribute, left - 1) if above else ("", "")

    def _argument(self, level: int, name: str, left: int) -> Origin | None:
        """What the calling frame passes for a parameter."""
        function, caller = self._function(level), self._function(level - 1)
        tree, call = self.tree(level - 1), self._call(level - 1, level)
        if tree is None or call is None or caller is None or not isinstance(function, FUNCTIONS[:2]):
            return None
        if any(isinstance(one, ast.Starred) for one in call.args) or any(one.arg is None for one in call.keywords):
            return None
        names = [one.arg for one in (*function.args.posonlyargs, *function.args.args)]
        names = names[1:] if names[:1] in (["self"], ["cls"]) else names
        place = names.index(name) if name in names else len(call.args)
        given = next((one.value for one in call.keywords if one.arg == name), None)
        given = given or (call.args[place] if place < len(call.args) else None)
        if level - 1 == self.user:
            return Origin("call", name, tree.source(call.func), self.stack[level - 1], _default(function, name))
        return self.of(level - 1, given, left - 1) if given is not None else None

    def _call(self, level: int, entered: int) -> ast.Call | None:
        """The call in the line of one frame that runs the function of the next; None if it may be one of several."""
        tree, function = self.tree(level), self.stack[entered].function
        statement = tree.statement(self.stack[level].line) if tree else None
        calls = [one for one in expressions_of(statement) if isinstance(one, ast.Call)] if statement else []
        named = [one for one in calls if tree and function in (called(one), tree.names.of(one.func).split(".")[-1])]
        whole = getattr(statement, "value", None)
        others = [one for one in calls if tree and one is whole and _is_chosen(tree, one.func)]
        others += [one for one in calls if isinstance(one.func, ast.Subscript)]
        if function == "forward":
            others = [one for one in calls if _root(one.func) == "self"]
        likely = named or others
        return likely[0] if len(likely) == 1 else None

    def tree(self, level: int) -> Tree | None:
        return tree_of(self.sources.get(self.stack[level].file, "")) if 0 <= level < len(self.stack) else None

    def _function(self, level: int) -> ast.AST | None:
        tree = self.tree(level)
        statement = tree.statement(self.stack[level].line) if tree else None
        return tree.around(statement, FUNCTIONS) if tree and statement else None


def _is_chosen(tree: Tree, name: ast.expr) -> bool:
    """Whether a function was given another name first: `spline = quadratic_spline if fast else cubic_spline`."""
    return isinstance(name, ast.Name) and any(tree.scope(value) is not tree.root for value in values_of(tree, name))


def parts_of(tree: Tree | None, line: int) -> tuple[ast.expr, ...]:
    """The names and attributes that the statement at a line reads, and those from which it calculated them before."""
    statement = tree.statement(line) if tree else None
    if tree is None or statement is None:
        return ()
    found = [one for one in expressions_of(statement) if dotted(one)]
    made = [value for one in found for value in values_of(tree, one) if isinstance(value, ast.BinOp)]
    return (
        *found,
        *(part for value in made for part in ast.walk(value) if isinstance(part, ast.expr) and dotted(part)),
    )


def _root(node: ast.AST) -> str:
    return dotted(node).split(".")[0]


def _default(function: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> str:
    plain = [*function.args.posonlyargs, *function.args.args]
    pairs = [*zip(reversed(plain), reversed(function.args.defaults), strict=False)]
    pairs += [
        (one, value) for one, value in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True) if value
    ]
    return next((ast.unparse(value) for one, value in pairs if one.arg == name), "")


def _parameters(function: ast.AST) -> list[str]:
    arguments = getattr(function, "args", None)
    return [one.arg for one in ast.walk(arguments) if isinstance(one, ast.arg)] if arguments else []


def _is_store(node: ast.AST, name: str) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)


def _stored(function: ast.FunctionDef, name: str) -> list[ast.expr]:
    """What a function assigns to a dotted name, alone or in a tuple."""
    found: list[ast.expr] = []
    for one in ast.walk(function):
        if isinstance(one, ast.Assign):
            for target in one.targets:
                pairs = [(target, one.value)]
                if isinstance(target, ast.Tuple) and isinstance(one.value, ast.Tuple):
                    pairs = list(zip(target.elts, one.value.elts, strict=False))
                found += [value for into, value in pairs if dotted(into) == name]
        if isinstance(one, ast.AnnAssign) and one.value is not None and dotted(one.target) == name:
            found.append(one.value)
    return found

"""Finds flash_attn's imports and calls in source files: which function, and each argument as written."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath

from compile_doctor.source.code_of import code_of
from compile_doctor.source.flash_attn.call_text import arguments_of, text_around, unpacked_into
from compile_doctor.source.flash_attn.signatures import ROOTS, functions, generation, parameters
from compile_doctor.source.names import Names, dotted, parsed

_HOISTABLE = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return, ast.Expr, ast.If, ast.For)
_OWN_SCOPE = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.IfExp, ast.BoolOp)
_CATCHES = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})


@dataclass(frozen=True)
class FlashImport:
    """An import statement; `name` is what it imports, as written."""

    file: str
    line: int
    function: str
    name: str
    guarded: bool = False
    """Whether it is in a `try` that catches its failure."""
    binds: tuple[tuple[str, str], ...] = ()
    """(local name, dotted name)."""


@dataclass(frozen=True)
class FlashUse:
    """A place that uses a name of the package. Tests whether the name exists, and plain renamings, do not count."""

    file: str
    line: int
    function: str
    name: str
    """Dotted."""
    called: bool


@dataclass(frozen=True)
class FlashCall:
    """A call of one of the functions in `signatures`."""

    file: str
    line: int
    function: str
    """The qualified name of the function around it: `Block.forward`."""
    name: str
    """Dotted: `flash_attn.flash_attn_func`."""
    arguments: Mapping[str, str]
    """Parameter to source text, for the given arguments."""
    before: str = ""
    """The text of the statement before the call; only the head of a statement that contains others."""
    after: str = ""
    shown: bool = False
    """Whether `before` and `after` are set; not for a long statement or an `elif`."""
    hoist: bool = False
    """Whether a line before the statement would run exactly when the call does."""
    partial: bool = False
    """`functools.partial(flash_attn_func, …)`: the other arguments come later."""
    unread: tuple[str, ...] = ()
    """`*args` and `**kwargs`, as written, and keywords that the function does not have."""
    ambiguous: tuple[str, ...] = ()
    """Other functions that the name may refer to, with another order of parameters."""
    same_length: bool = False
    """Whether queries and keys are parts of one tensor, and so have the same length."""
    unpacked: int = 0
    """How many names the result is unpacked into."""
    ordinal: int = 1
    """Which call in its statement it is, from 1."""
    taken: frozenset[str] = frozenset()
    """Names that the function around the call uses."""
    imported: Mapping[str, str] = field(default_factory=dict)
    """Local name to dotted name."""

    @property
    def api(self) -> str:
        return self.name.rpartition(".")[2]


@dataclass(frozen=True)
class FlashAttn:
    """Everything that was found, in the order of file and line."""

    imports: tuple[FlashImport, ...] = ()
    calls: tuple[FlashCall, ...] = ()
    uses: tuple[FlashUse, ...] = ()
    """Uses of any name of the package, including calls."""


def find_flash_attn(sources: Mapping[str, str]) -> FlashAttn:
    """Reads the files (path to source). Names are followed through imports, plain assignments, and from file to file."""
    trees = {file: tree for file, text in sorted(sources.items()) if (tree := parsed(text)) is not None}
    files = {file: _File(file, tree) for file, tree in trees.items()}
    exported = {PurePath(file).stem: found.functions for file, found in files.items() if found.functions}
    for found in files.values():
        found.take_from(exported)
    imports = (one for found in files.values() for one in found.imports())
    calls = (one for found in files.values() if found.functions for one in found.calls(sources[found.file]))
    uses = (one for found in files.values() if found.functions for one in found.uses())
    return FlashAttn(tuple(imports), tuple(calls), tuple(uses))


class _File:
    def __init__(self, file: str, tree: ast.Module) -> None:
        self.file, self.tree, self.names = file, tree, Names(tree)
        self.parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        self.functions: dict[str, list[str]] = {}
        """Local name, or `self.attend`, to the functions and modules of flash_attn that it may refer to."""
        for one in self.imports():
            for local, name in one.binds:
                self.functions.setdefault(local, []).append(name)
        self._assigned()

    def imports(self) -> Iterator[FlashImport]:
        for node in sorted(ast.walk(self.tree), key=lambda one: getattr(one, "lineno", 0)):
            binds: list[tuple[str, str]] = []
            if isinstance(node, ast.Import):
                found = [alias for alias in node.names if alias.name.split(".")[0] in ROOTS]
                binds = [(a.asname, a.name) if a.asname else (a.name.split(".")[0],) * 2 for a in found]
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").split(".")[0] in ROOTS:
                found = node.names
                binds = [(alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in found]
                if found[0].name == "*":
                    binds += [(one, f"{node.module}.{one}") for one in functions(f"{node.module}")]
            if binds and isinstance(node, (ast.Import, ast.ImportFrom)):
                name = ", ".join(alias.name for alias in found)
                yield FlashImport(self.file, node.lineno, self.where(node), name, self._guarded(node), tuple(binds))

    def take_from(self, exported: Mapping[str, Mapping[str, list[str]]]) -> None:
        """Follows `from .attention import flash_attn_func` to another of these files."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom):
                theirs = exported.get((node.module or "").rpartition(".")[2], {})
                for alias in node.names:
                    if alias.name in theirs and (alias.asname or alias.name) not in self.functions:
                        self.functions[alias.asname or alias.name] = theirs[alias.name]
        self._assigned()

    def _assigned(self) -> None:
        """Follows `attend = flash_attn_func` and `self.attend = flash_attn_func`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Assign) and (found := self.stands_for(node.value)):
                for target in node.targets:
                    name = dotted(target)
                    if any(map(parameters, found)) and name and name not in self.functions:
                        self.functions[name] = found

    def stands_for(self, node: ast.AST) -> list[str]:
        """The dotted names in flash_attn that an expression may refer to."""
        name = dotted(node)
        if name in self.functions:
            return self.functions[name]
        first, _, rest = name.partition(".")
        return [f"{one}.{rest}" for one in self.functions.get(first, ()) if rest]

    def _same_length(self, call: ast.Call, scope: ast.AST, arguments: Mapping[str, str]) -> bool:
        """Whether q and k are one name, or one `q, k, v = qkv.unbind(2)` is the only code before the call that makes them."""
        q, k = arguments.get("q", ""), arguments.get("k", "")
        if q == k or not (q.isidentifier() and k.isidentifier()):
            return q == k and q.isidentifier()
        makers: dict[str, list[ast.AST]] = {q: [], k: []}
        never = self._not_before(call, scope)
        for node in ast.walk(scope):
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            stored = {one.id for target in targets if target for one in ast.walk(target) if isinstance(one, ast.Name)}
            for name in stored & makers.keys() if node not in never else ():
                makers[name].append(node)
        return len(makers[q]) == 1 and makers[q] == makers[k] and _splits(makers[q][0])

    def _not_before(self, call: ast.Call, scope: ast.AST) -> set[ast.AST]:
        """What cannot have run before the call: the other arm of an `if` around it, and, without a loop, what follows."""
        found: set[ast.AST] = set()
        inside: ast.AST = call
        loop = False
        for one in self.above(call):
            if isinstance(one, ast.If):
                for arm in (one.body, one.orelse):
                    found.update(node for part in arm if inside not in arm for node in ast.walk(part))
            loop = loop or isinstance(one, (ast.For, ast.AsyncFor, ast.While))
            inside = one
            if one is scope:
                break
        if not loop:
            found.update(node for node in ast.walk(scope) if getattr(node, "lineno", 0) > (call.end_lineno or 0))
        return found

    def where(self, node: ast.AST) -> str:
        names = [
            one.name
            for one in self.above(node)
            if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        ]
        return ".".join(reversed(names)) or "<module>"

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        while (parent := self.parents.get(node)) is not None:
            yield parent
            node = parent

    def uses(self) -> Iterator[FlashUse]:
        for node in sorted(ast.walk(self.tree), key=lambda one: getattr(one, "lineno", 0)):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                whole: ast.AST = node
                while isinstance(self.parents[whole], ast.Attribute):
                    whole = self.parents[whole]
                found, parent = self.stands_for(whole), self.parents[whole]
                called = isinstance(parent, ast.Call) and (parent.func is whole or self._partial(parent, whole))
                if found and not self._renamed(whole) and not self._tested(whole):
                    yield FlashUse(self.file, node.lineno, self.where(node), min(found, key=generation), called)

    def _partial(self, call: ast.Call, function: ast.AST) -> bool:
        return self.names.of(call.func) == "functools.partial" and call.args[:1] == [function]

    def _renamed(self, node: ast.AST) -> bool:
        parent = self.parents[node]
        return isinstance(parent, ast.Assign) and all(dotted(target) in self.functions for target in parent.targets)

    def _tested(self, node: ast.AST) -> bool:
        """Whether the name is only tested: `if flash_attn_func is not None and …`."""
        while isinstance(parent := self.parents[node], (ast.BoolOp, ast.UnaryOp)):
            node = parent
        return isinstance(parent, ast.Compare) or getattr(parent, "test", None) is node

    def _guarded(self, node: ast.AST) -> bool:
        for one in self.above(node):
            if isinstance(one, ast.Try):
                for handler in one.handlers:
                    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
                    if any(kind is None or dotted(kind) in _CATCHES for kind in caught):
                        return True
        return False

    def calls(self, text: str) -> Iterator[FlashCall]:
        nodes = [node for node in ast.walk(self.tree) if isinstance(node, ast.Call)]
        statements: list[ast.AST] = []
        for node in sorted(nodes, key=lambda one: (one.lineno, one.col_offset)):
            partial = bool(node.args) and self._partial(node, node.args[0])
            found = [one for one in self.stands_for(node.args[0] if partial else node.func) if parameters(one)]
            if found:
                statement = next((one for one in self.above(node) if isinstance(one, ast.stmt)), self.tree)
                yield self._call(node, statement, statements, found, partial, text)
                statements.append(statement)

    def _call(
        self, node: ast.Call, statement: ast.AST, earlier: list[ast.AST], found: list[str], partial: bool, text: str
    ) -> FlashCall:
        # Of several generations the most common one: the others accept its calls, except for the order.
        name = min(found, key=generation)
        given = node.args[1:] if partial else node.args
        arguments, unread = arguments_of(parameters(name), given, node.keywords, text)
        orders = {one: parameters(one)[: len(given)] for one in found}
        outside = {statement, *self.above(statement)}
        between = [one for one in self.above(node) if one not in outside]
        scope = next(
            (one for one in self.above(node) if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef))), self.tree
        )
        hoist = isinstance(statement, _HOISTABLE) and not any(isinstance(one, _OWN_SCOPE) for one in between)
        around = text_around(statement, node, text)
        if isinstance(statement, ast.If) and statement.col_offset == getattr(self.parents[statement], "col_offset", -1):
            hoist, around = False, None  # an `elif` begins where its `if` does, and no line can come before it
        return FlashCall(
            self.file,
            node.lineno,
            self.where(node),
            name,
            arguments,
            *(around or ("", "")),
            around is not None,
            hoist,
            partial,
            unread,
            tuple(sorted({one for one in found if orders[one] != orders[name]})),
            self._same_length(node, scope, arguments),
            unpacked_into(statement, node),
            1 + sum(one is statement for one in earlier),
            _names_in(scope),
            self.names.bound,
        )


def _names_in(scope: ast.AST) -> frozenset[str]:
    """The names that a new local name must differ from."""
    named = {node.id for node in ast.walk(scope) if isinstance(node, ast.Name)}
    return frozenset(named | {node.arg for node in ast.walk(scope) if isinstance(node, ast.arg)})


def _splits(node: ast.AST) -> bool:
    """Whether it assigns `….unbind(…)`, or a `chunk` or `split` that is not along the tokens."""
    value = node.value if isinstance(node, ast.Assign) else None
    if not (isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute)):
        return False
    if value.func.attr == "unbind":
        return True
    dims = [*value.args[1:], *(one.value for one in value.keywords if one.arg == "dim")]
    along = code_of(dims[0]) if dims else "0"
    return value.func.attr in ("chunk", "split") and along in ("2", "3", "-1", "-2")

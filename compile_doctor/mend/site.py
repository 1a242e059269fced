"""One finding in its source: the statement and the function around it, and edits that keep formatting and comments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import libcst as cst
from libcst import metadata

from compile_doctor.model.findings import Finding

Statement = cst.SimpleStatementLine | cst.BaseCompoundStatement
New = "cst.CSTNode | cst.FlattenSentinel[Any] | cst.RemovalSentinel"
Lines = tuple[int, int]
"""The first and the last line of something."""
COMPILING = "torch.compiler.is_compiling()"


@dataclass(frozen=True)
class Candidate:
    """One way to rewrite a finding away."""

    title: str
    """What it does, for the report."""
    text: str | None = None
    """The new text of the finding's file; None if it does not change."""
    others: Mapping[str, str] = field(default_factory=dict)
    """The new texts of other files of the user, by path: torch.compile is seldom called where the model is defined."""
    compiling: Mapping[str, Any] = field(default_factory=dict)
    """Options of torch.compile that it needs instead."""
    settings: tuple[str, ...] = ()
    """Lines that set something in torch for the whole process: they go into this file, or into that of the target."""
    sides: tuple[int, ...] = ()
    """Lines of the old text that must have run on some input: else equal outputs would not show anything about them."""
    rarer: tuple[tuple[Lines, Lines], ...] = ()
    """Pairs of statements: the first must have been reached less often than the second, so that both ways of a branch were seen."""
    made: tuple[str, ...] = ()
    """Attributes that the old code makes when it first needs them, and the new code in any case."""


class Source:
    """A parsed file."""

    def __init__(self, text: str) -> None:
        """Raises libcst.ParserSyntaxError for a file that this LibCST cannot read."""
        self.text = text
        wrapper = metadata.MetadataWrapper(cst.parse_module(text), unsafe_skip_copy=True)
        self.module = wrapper.module
        self._positions = wrapper.resolve(metadata.PositionProvider)
        self._parents = wrapper.resolve(metadata.ParentNodeProvider)

    def lines(self, node: cst.CSTNode) -> Lines:
        """Its first and last line."""
        place = self._positions[node]
        return place.start.line, place.end.line

    def parent(self, node: cst.CSTNode) -> cst.CSTNode | None:
        return self._parents.get(node)

    def around(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """The node, its parent, and so on."""
        found: cst.CSTNode | None = node
        while found is not None:
            yield found
            found = self.parent(found)

    def code(self, node: cst.CSTNode) -> str:
        return self.module.code_for_node(node).strip()

    def replaced(self, node: cst.CSTNode, changes: Mapping[cst.CSTNode, Any]) -> str:
        """The code of a part of the file, with nodes in it replaced."""
        new = node.visit(_Swap(changes))
        assert isinstance(new, cst.CSTNode)
        return self.module.code_for_node(new).strip()

    def edited(self, changes: Mapping[cst.CSTNode, Any], head: Sequence[str] = ()) -> str:
        """The text with nodes replaced, and with lines after the last import at the top of the file.

        New code uses `torch`, which not every file imports: a helper of a library does not.
        """
        if not (changes or head):
            return self.text
        new = self.module.visit(_Swap(changes)) if changes else self.module
        text = new.code if changes else self.text
        more = text.count("torch.") > self.text.count("torch.")
        return with_head(new, [*(["import torch"] if more else []), *head], text)


@lru_cache(maxsize=64)
def parsed(text: str) -> Source:
    """A parsed file, kept: several findings are in one, and each step looks at all of them again."""
    return Source(text)


class Site:
    """Where a finding is, with what surrounds it."""

    def __init__(
        self,
        source: Source,
        finding: Finding,
        line: int,
        others: Mapping[str, str] | None = None,
        findings: Sequence[Finding] = (),
        compiling: Mapping[str, Any] | None = None,
    ) -> None:
        """`others`: the texts of the user's other files, by path. `findings`: all that there are, this one among them.

        `compiling`: the options of torch.compile that were asked for.
        """
        self.source = source
        self.finding = finding
        self.line = line
        self.others = others or {}
        self.findings = findings
        self.compiling = compiling or {}

    @cached_property
    def files(self) -> Mapping[str, Source]:
        """The finding's file and the user's other ones, by path: parsed when they are asked for, as that takes seconds."""
        found = {self.finding.location.file: self.source} if self.finding.location else {}
        for file, text in self.others.items():
            if file not in found:
                with suppress(cst.ParserSyntaxError):  # a file that cannot be read cannot be changed
                    found[file] = parsed(text)
        return found

    @cached_property
    def statement(self) -> Any:
        """The innermost statement with the finding's line in it, or in its header if it has a body; None if there is none."""
        found = [node for node in statements(self.source.module) if self._covers(node)]
        return min(found, key=lambda node: self.source.lines(node)[1] - self.source.lines(node)[0], default=None)

    def _covers(self, node: cst.CSTNode) -> bool:
        first, last = self.source.lines(node)
        body = getattr(node, "body", None)
        if isinstance(body, cst.IndentedBlock):
            last = max(first, self.source.lines(body.body[0])[0] - 1)
        return first <= self.line <= last

    @cached_property
    def function(self) -> cst.FunctionDef | None:
        """The innermost function around the statement."""
        if self.statement is None:
            return None
        return next((node for node in self.source.around(self.statement) if isinstance(node, cst.FunctionDef)), None)

    def changed(self, title: str, changes: Mapping[str, Mapping[cst.CSTNode, Any]]) -> Candidate:
        """A candidate that replaces nodes in several files, by path."""
        texts = {file: self.files[file].edited(edits) for file, edits in changes.items() if edits}
        own = self.finding.location.file if self.finding.location else ""
        return Candidate(title, texts.pop(own, None), others=texts)

    def siblings(self, node: cst.CSTNode) -> tuple[Any, ...]:
        """The statements of the block in which the node is; none for an `elif`, which is in no block of its own."""
        body = getattr(self.source.parent(node), "body", ())
        return tuple(body) if isinstance(body, Sequence) else ()

    def expressions(self, kind: type[Any]) -> list[Any]:
        """The expressions of a kind on the finding's line, within its statement; outermost first."""
        return [node for node in self._own() if isinstance(node, kind) and self._on_line(node)]

    def _own(self) -> Iterator[cst.CSTNode]:
        if self.statement is not None:
            body = getattr(self.statement, "body", None)
            skip = body if isinstance(body, cst.IndentedBlock) else None
            yield from (node for node in walk(self.statement, skip))

    def _on_line(self, node: cst.CSTNode) -> bool:
        first, last = self.source.lines(node)
        return first <= self.line <= last


class _Swap(cst.CSTTransformer):
    def __init__(self, changes: Mapping[cst.CSTNode, Any]) -> None:
        super().__init__()
        self.changes = changes

    def on_leave(self, original_node: Any, updated_node: Any) -> Any:
        return self.changes.get(original_node, super().on_leave(original_node, updated_node))


def walk(node: cst.CSTNode, skip: cst.CSTNode | None = None) -> Iterator[cst.CSTNode]:
    """The node and all nodes in it, except one part."""
    yield node
    for child in node.children:
        if child is not skip:
            yield from walk(child, skip)


def statements(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    return (one for one in walk(node) if isinstance(one, (cst.SimpleStatementLine, cst.BaseCompoundStatement)))


def names(node: cst.CSTNode) -> list[str]:
    """The plain names in it, read or written, without those after a dot and keywords of calls."""
    found: list[str] = []
    if isinstance(node, cst.Name):
        return [node.value]
    for child in node.children:
        if isinstance(node, cst.Attribute) and child is node.attr:
            continue
        if isinstance(node, cst.Arg) and child is node.keyword:
            continue
        found += names(child)
    return found


def only(statement: Any) -> Any:
    """The small statement on a line, if it is alone there; else None."""
    alone = isinstance(statement, cst.SimpleStatementLine) and len(statement.body) == 1
    return statement.body[0] if alone else None


def expression(text: str) -> cst.BaseExpression:
    return cst.parse_expression(text)


def lines_of(text: str, like: Any = None) -> list[Any]:
    """Statements from their text; the first one gets the comments above `like`."""
    module = cst.parse_module(text)
    found = list(module.body)
    if found:  # comments before the first statement belong to the module
        found[0] = found[0].with_changes(leading_lines=[*module.header, *found[0].leading_lines])
    if like is not None and found:
        found[0] = found[0].with_changes(leading_lines=[*like.leading_lines, *found[0].leading_lines])
    return found


def with_head(module: cst.Module, head: Sequence[str], text: str) -> str:
    """The module's text, with lines after the last import at its top, and `import torch` if they need it."""
    if not head:
        return text
    body = list(module.body)
    known = any(_imports_torch(one) for one in body)
    needed = not known and any("torch" in line for line in head)
    wanted = dict.fromkeys([*(["import torch"] if needed else []), *head])
    there = set(text.splitlines())
    new = [line for line in wanted if line not in there and not (known and line == "import torch")]
    if not new:
        return text
    last = max((number for number, one in enumerate(body) if _imports(one)), default=-1)
    added = lines_of("".join(f"{line}\n" for line in new))
    if last < 0 and body and _is_docstring(body[0]):
        last = 0
    added[0] = added[0].with_changes(leading_lines=[cst.EmptyLine(indent=False)] if last >= 0 else [])
    return module.with_changes(body=[*body[: last + 1], *added, *body[last + 1 :]]).code


def _imports(one: Any) -> bool:
    return isinstance(only(one), (cst.Import, cst.ImportFrom))


def _imports_torch(one: Any) -> bool:
    small = only(one)
    return isinstance(small, cst.Import) and any(
        name.evaluated_name.partition(".")[0] == "torch" and name.asname is None for name in small.names
    )


def _is_docstring(one: Any) -> bool:
    small = only(one)
    return isinstance(small, cst.Expr) and isinstance(small.value, (cst.SimpleString, cst.ConcatenatedString))

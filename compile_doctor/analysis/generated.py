"""What was generated for the user's lines: operators of Dynamo's graphs, and the kernels that Inductor made of them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from compile_doctor.analysis.compiled_function import function_of
from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.model.findings import Location
from compile_doctor.model.kept_text import KeptText

_FILE = re.compile(r"^\s*# File: (?P<file>.+?):(?P<line>\d+) in (?P<function>[^,]+), code: ?(?P<code>.*)$")
_OPERATOR = re.compile(r"^\s+(?P<name>[A-Za-z_]\w*)(?:: \"[^\"]*\")? = (?P<what>.+)$")
_CLEARED = re.compile(r";  (?:[A-Za-z_]\w* = )+None$")
_ALIAS = re.compile(r"^[A-Za-z_]\w*$")
_NODES = re.compile(r"Source Nodes: \[([^\[\]]*)\]")
_DEFINED = re.compile(r"^[ \t]*(\w+) = async_compile\.(\w+)\(", re.MULTILINE)
_EXTERN = re.compile(r"^[ \t]+(?:\w+ = )?((?:extern_kernels|torch\.ops|aten)\.[\w.]+)\(", re.MULTILINE)


@dataclass(frozen=True)
class Generated:
    """One graph, as text, with the code that Inductor generated for it."""

    label: str
    """torch's compile id."""
    location: Location
    ranks: tuple[int, ...]
    graph: KeptText | None
    guards: KeptText | None
    code: tuple[KeptText, ...]
    """One for the forward and one for the backward pass; none if no backend generated code."""


@dataclass(frozen=True)
class LineUse:
    """One line of the user's in one graph."""

    file: str
    line: int
    code: str
    operators: tuple[str, ...]
    """As torch writes the calls, without their arguments' types."""
    kernels: tuple[str, ...]
    """Those of whose operators torch says that they come from this line."""


@dataclass(frozen=True)
class Uses:
    """A graph by line."""

    lines: tuple[LineUse, ...]
    other: tuple[str, ...]
    """Kernels of which torch does not say which operators they compute."""


def generated(seen: AnalysisContext, ranks: tuple[int, ...] = ()) -> tuple[Generated, ...]:
    """In the order of the compilations; only those with a graph."""
    return tuple(
        Generated(
            one.label,
            Location(*function_of(seen.evidence.sources, one)),
            ranks,
            one.graph_text,
            one.guards_text,
            one.code_texts,
        )
        for one in seen.evidence.compilations
        if one.graph_text or one.code_texts
    )


def uses(graph: str, code: str) -> Uses:
    """The lines of a graph's text, in its order, with their operators and kernels."""
    order: list[tuple[str, int]] = []
    words: dict[tuple[str, int], str] = {}
    operators: dict[tuple[str, int], list[str]] = {}
    made: dict[str, tuple[str, int]] = {}
    at: tuple[str, int] | None = None
    for text in graph.splitlines():
        found = _FILE.match(text)
        if found:
            at = found["file"], int(found["line"])
            if at not in operators:
                order.append(at)
                operators[at] = []
                words[at] = found["code"]
            continue
        operator = _OPERATOR.match(text)
        if operator and at is not None:
            what = _CLEARED.sub("", operator["what"])
            if not _ALIAS.match(what):
                operators[at].append(f"{operator['name']} = {what}")
                made[operator["name"]] = at
    kernels, other = _kernels(code, made)
    return Uses(
        tuple(
            LineUse(file, line, words[file, line], tuple(operators[file, line]), tuple(kernels.get((file, line), ())))
            for file, line in order
        ),
        tuple(other),
    )


def _kernels(code: str, made: dict[str, tuple[str, int]]) -> tuple[dict[tuple[str, int], list[str]], list[str]]:
    """The calls of kernels by the lines that torch names above them, and those without a line."""
    defined = {match[1] for match in _DEFINED.finditer(code)}
    calls = re.compile(rf"^\s+({'|'.join(map(re.escape, sorted(defined)))})(?:\.run)?\(") if defined else None
    found: dict[tuple[str, int], list[str]] = {}
    other: list[str] = []
    nodes: list[str] = []
    for text in code.splitlines():
        named = _NODES.search(text)
        if named:
            nodes = [name.strip() for name in named[1].split(",")]
            continue
        if _DEFINED.match(text):
            nodes = []  # of the comment above the definition; the call has its own
            continue
        call = (calls.match(text) if calls else None) or _EXTERN.match(text)
        if call is None:
            continue
        lines = {made[name] for name in nodes if name in made}
        for line in lines:
            found.setdefault(line, []).append(call[1])
        if not lines:
            other.append(call[1])
        nodes = []
    return {line: list(dict.fromkeys(names)) for line, names in found.items()}, list(dict.fromkeys(other))

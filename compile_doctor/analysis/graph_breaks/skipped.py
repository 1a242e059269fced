"""What ran in plain Python: frames that Dynamo gave up, the rest of frames that it could not resume, checkpointed blocks."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from compile_doctor.analysis.decorated import written_at
from compile_doctor.model.compilations import Break, Compilation
from compile_doctor.model.stacks import Frame, function_name
from compile_doctor.source import locations, statements
from compile_doctor.source.decorators import decorated

if TYPE_CHECKING:
    from compile_doctor.analysis.context import AnalysisContext
    from compile_doctor.analysis.graph_breaks.sites import BreakSite

COMPREHENSIONS = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})
_NO_RESUME = "graph break that we cannot resume from"
"""torch 2.10 and later; the older ones leave no record of such a break (`_UNRECORDED`)."""
_UNRECORDED = "compilation_metrics"
_CHECKPOINT = re.compile(r"Higher Order Operator: torch\.utils\.checkpoint\.checkpoint")


@dataclass(frozen=True)
class Skipped:
    """Code that Dynamo left to plain Python; `site` is the break that caused it, `at` the line that leads there."""

    compilations: tuple[Compilation, ...]
    site: BreakSite | None
    at: int
    loop: bool
    frame: Frame
    """The function that ran in plain Python, at its first line."""
    rest: tuple[int, int] | None = None
    """Its lines that did, if not all: Dynamo compiled what comes before. (0, 0) if torch does not record where."""
    checkpoint: Frame | None = None
    """The line that calls torch's checkpoint, if that is why: a break inside leaves the whole block to plain Python."""
    wraps: tuple[str, ...] = ()
    """If it is the wrapper of a decorator: the decorated functions, as far as the stacks of its breaks show them."""

    @property
    def first(self) -> Compilation:
        return self.compilations[0]


def find_skipped(seen: AnalysisContext) -> tuple[Skipped, ...]:
    """One for each function, in the order in which Dynamo met them."""
    by_compilation: dict[int, list[Break]] = defaultdict(list)
    for site in seen.sites:
        for item in site.all_breaks:
            by_compilation[item.compilation].append(item)
    first: dict[int, Break] = {}
    for item in seen.evidence.breaks:
        first.setdefault(item.compilation, item)
    groups: dict[Frame, list[Skipped]] = defaultdict(list)
    for index, compilation in enumerate(seen.evidence.compilations):
        for one in _of(seen, compilation, first.get(index), by_compilation.get(index, [])):
            groups[one.frame].append(one)
    return tuple(_wrapping(seen, _merged(members)) for members in groups.values())


def _merged(members: list[Skipped]) -> Skipped:
    """The way in which most of the function ran in plain Python."""
    one = min(members, key=lambda member: member.rest or (-1, 0))
    together = tuple(c for member in members for c in member.compilations)
    return Skipped(together, one.site, one.at, one.loop, one.frame, one.rest, one.checkpoint)


def _wrapping(seen: AnalysisContext, one: Skipped) -> Skipped:
    """With the functions that it wraps: one wrapper is the same code for all that its decorator is put on."""
    sources = seen.evidence.sources
    found = (
        decorated(sources, item.stack, one.frame)
        for item in seen.evidence.breaks
        if any(seen.compilation(item) is compilation for compilation in one.compilations)
    )
    names = (locations.qualified(sources, frame.file, frame.line, frame.function) for frame in found if frame)
    return replace(one, wraps=tuple(dict.fromkeys(names)))


def _of(seen: AnalysisContext, compilation: Compilation, first: Break | None, breaks: list[Break]) -> Iterator[Skipped]:
    if compilation.function in COMPREHENSIONS:
        return  # up to Python 3.11 a separate frame, but not a function that a user wrote
    if locations.is_interior(compilation.file, function_name(compilation.function)):
        return
    if locations.is_stdlib(compilation.file):
        return  # Python's own, which the user's line calls: that line has the finding
    if first and seen.refused_at(first):
        return
    if seen.refusal is not None and locations.is_flex(compilation.file, compilation.file):
        return
    if first and _follows(seen, first):
        return
    if seen.gave_up(compilation):
        if first or _failed_alone(seen, compilation):
            yield _whole(seen, compilation, first)
    elif compilation.guarded:
        yield from (_rest(seen, compilation, item) for item in breaks if _cannot_resume(item))
    for item in breaks:
        block = _checkpointed(seen, compilation, item)
        if block:
            yield block


def _follows(seen: AnalysisContext, item: Break) -> bool:
    """Whether the frame broke only because of a break in another frame, which has the finding."""
    site = seen.site_of.get(item)
    if site is None or item not in site.followed or any(b.compilation == item.compilation for b in site.breaks):
        return False
    own, others = seen.compilation(item), [seen.compilation(other) for other in site.breaks]
    functions = {(one.file, function_name(one.function)) for one in others if one is not None}
    return own is None or (own.file, function_name(own.function)) not in functions


def _failed_alone(seen: AnalysisContext, compilation: Compilation) -> bool:
    """Whether this frame ran in plain Python because of an error. With suppress_errors any error has this effect."""
    # flex's own: CD301
    swallowed = seen.failure is None and not locations.is_flex(compilation.file, compilation.file)
    return compilation.fail_type == "Unsupported" or (compilation.fail_type is not None and swallowed)


def _whole(seen: AnalysisContext, compilation: Compilation, item: Break | None) -> Skipped:
    """The frame; for a resume function, what is left of its function."""
    site = seen.site_of.get(item) if item else None
    at = seen.line_in(compilation, item) if item else compilation.line
    name = function_name(compilation.function)
    frame = _definition(seen, compilation.file, compilation.line, name)
    rest = None
    if compilation.function != name:
        around = statements.span(seen.evidence.sources, compilation.file, compilation.line, name)
        rest = (compilation.line, around[1]) if around else (0, 0)
    return Skipped((compilation,), site, at, bool(item and seen.in_loop(item)), frame, rest)


def _cannot_resume(item: Break) -> bool:
    return _NO_RESUME in item.reason or item.source == _UNRECORDED


def _rest(seen: AnalysisContext, compilation: Compilation, item: Break) -> Skipped:
    """The frame was compiled up to a line, and from there it runs as it was written."""
    at, file, name = seen.line_in(compilation, item), compilation.file, function_name(compilation.function)
    site, sources = seen.site_of.get(item), seen.evidence.sources
    if item.source == _UNRECORDED:
        return Skipped((compilation,), site, at, False, _definition(seen, file, compilation.line, name), (0, 0))
    if _resumed(seen, compilation, at):
        # With nested_graph_breaks the calling frames resume, and only the function that broke does not.
        inner = seen.place(item)
        file, name, at = inner.file, inner.function, inner.line
    around = statements.span(sources, file, at, name)
    rest = (statements.rest_from(sources, file, at, name), around[1]) if around else (0, 0)
    return Skipped((compilation,), site, at, False, _definition(seen, file, at, name), rest)


def _resumed(seen: AnalysisContext, compilation: Compilation, line: int) -> bool:
    name = f"torch_dynamo_resume_in_{function_name(compilation.function)}_at_{line}"
    return any(c.function == name and c.file == compilation.file for c in seen.evidence.compilations)


def _checkpointed(seen: AnalysisContext, compilation: Compilation, item: Break) -> Skipped | None:
    """The function that was passed to checkpoint, if the break is inside: torch calls it without compiling anything."""
    own, sources = function_name(compilation.function), seen.evidence.sources
    calls = statements.checkpoint_calls(sources, compilation.file, compilation.line, own)
    at = seen.line_in(compilation, item)
    here = [call for call in calls if call[0] <= at <= call[1]]
    named = bool(_CHECKPOINT.search(item.reason))
    hidden = bool(calls) and not any(seen.same_function(compilation, frame) for frame in item.stack)
    if not (here or hidden or named):
        return None
    call = here[0] if here else calls[0] if len(calls) == 1 else (compilation.line, compilation.line, "")
    below = next((f for f in _below(seen, compilation, item) if seen.owner(f.file) != "torch"), None)
    block = below or (_named(seen, compilation, call[2]) if named else None)
    if block is None or locations.is_stdlib(block.file):
        return None
    frame = _definition(seen, block.file, block.line, block.function)
    place = Frame(compilation.file, call[0], own)
    return Skipped((compilation,), seen.site_of.get(item), block.line, False, frame, None, place)


def _named(seen: AnalysisContext, compilation: Compilation, name: str) -> Frame | None:
    """`self.inner` or `inner` in a file, for a break of which torch's stack ends at the call of checkpoint."""
    sources, own = seen.evidence.sources, function_name(compilation.function)
    around, _, _ = locations.qualified(sources, compilation.file, compilation.line, own).rpartition(".")
    first, _, attribute = name.partition(".")
    path = f"{around}.{attribute}" if first == "self" and around else name
    found = locations.find_definition({compilation.file: sources.get(compilation.file, "")}, path)
    return Frame(found[0], found[1], path.rpartition(".")[2]) if found else None


def _below(seen: AnalysisContext, compilation: Compilation, item: Break) -> tuple[Frame, ...]:
    """The frames that the compiled one led to. torch 2.13 leaves the compiled one out of the stack of a checkpoint."""
    stack = item.stack
    for number, frame in enumerate(stack):
        if seen.same_function(compilation, frame):
            return stack[number + 1 :]
    above = compilation.stack[:-1]
    common = next((n for n, (a, b) in enumerate(zip(stack, above)) if a != b), min(len(stack), len(above)))
    return stack[common:]


def _definition(seen: AnalysisContext, file: str, line: int, name: str) -> Frame:
    around = statements.span(seen.evidence.sources, file, line, name)
    first = around[0] if around else locations.definition_line(seen.evidence.sources, file, line, name)
    return written_at(seen.evidence, Frame(file, first, name))

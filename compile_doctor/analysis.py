"""Folds evidence into what the checks ask about: break sites, skipped frames, recompile groups, and what each costs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from compile_doctor import places
from compile_doctor.causes import Cause, find_cause
from compile_doctor.evidence import Break, Compilation, Evidence, Failure, Frame
from compile_doctor.findings import Cost, Location
from compile_doctor.guards import Guard, parse
from compile_doctor.trace import function_name


@dataclass(frozen=True)
class Site:
    """One root cause of graph breaks: a line, and why Dynamo stops there."""

    frame: Frame
    cause: Cause
    upstream: str | None
    reason: str
    breaks: tuple[Break, ...]
    callers: int
    """Compiled frames further out that broke only because of it."""
    told: bool
    """False where torch named no line of the user's: the place is only where it was noticed."""
    loop: bool
    """The line lies in a loop of a frame that was given up because of it."""


@dataclass(frozen=True)
class Skipped:
    """A frame that Dynamo gave up on; `site` is what made it, `at` the line in the frame that leads there."""

    compilations: tuple[Compilation, ...]
    site: Site | None
    at: int
    loop: bool

    @property
    def first(self) -> Compilation:
        return self.compilations[0]


@dataclass(frozen=True)
class Recompiled:
    """One frame that was compiled again for one cause."""

    guard: Guard
    file: str
    function: str
    line: int
    """Where the thing that varies is read, or the function's first line."""
    compilations: tuple[Compilation, ...]
    guards: tuple[Guard, ...]
    """The failed guard of each recompilation, in order."""
    caller: Frame | None
    """The line of the user's that called the frame."""
    follows_break: bool
    """The value that varies came out of a graph break."""


class Seen:
    """The evidence with its folds, each computed once. Every check's `detect` gets one of these."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.torch_root: str | None = evidence.environment.get("torch_root")

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        groups: dict[tuple[str, int, str], list[Break]] = defaultdict(list)
        causes: dict[str, Cause] = {}
        for item in self.evidence.breaks:
            frame = self._place(item)
            cause = find_cause(item.reason, item.upstream)
            causes[cause.key] = cause
            groups[frame.file, frame.line, cause.key].append(item)
        return tuple(self._site(breaks, causes[key[2]]) for key, breaks in groups.items())

    def _place(self, item: Break) -> Frame:
        frame = places.innermost(item.stack, self.torch_root)
        return frame or Frame(item.recorded_at[0], item.recorded_at[1], "?")

    def _site(self, breaks: list[Break], cause: Cause) -> Site:
        frame = self._place(breaks[0])
        own = [item for item in breaks if self._is_own_frame(item, frame)]
        callers = {item.compilation for item in breaks} - {item.compilation for item in own}
        loop = any(self._loop(item) for item in own)
        return Site(
            frame=frame,
            cause=cause,
            upstream=next((item.upstream for item in breaks if item.upstream), None),
            reason=breaks[0].reason,
            breaks=tuple(breaks),
            callers=len(callers),
            told=bool(breaks[0].stack),
            loop=loop,
        )

    def _is_own_frame(self, item: Break, frame: Frame) -> bool:
        """Whether the frame being compiled is the one that holds the breaking line."""
        compilation = self.compilation(item)
        return (
            compilation is not None
            and compilation.file == frame.file
            and function_name(compilation.function) == frame.function
        )

    def _loop(self, item: Break) -> bool:
        """A break in a loop of its own frame, said by torch (from 2.9 on) or read from the source (2.8 does not say)."""
        compilation = self.compilation(item)
        if compilation is None or not self._gave_up(compilation):
            return False
        at = self._line_in(compilation, item)
        return item.in_loop or places.in_loop(self.evidence.sources, compilation.file, at, compilation.line)

    def _line_in(self, compilation: Compilation, item: Break) -> int:
        name = function_name(compilation.function)
        for frame in item.stack:
            if frame.file == compilation.file and frame.function == name and frame.line >= compilation.line:
                return frame.line
        return compilation.line

    def compilation(self, item: Break) -> Compilation | None:
        return self.evidence.compilations[item.compilation] if item.compilation >= 0 else None

    def _gave_up(self, compilation: Compilation) -> bool:
        return compilation.guarded is False and compilation is not self.raised

    @cached_property
    def raised(self) -> Compilation | None:
        """The compilation that ended the compiled run with an exception: an error, not a skipped frame."""
        failure = self.failure
        if failure is None:
            return None
        last = next((c for c in reversed(self.evidence.compilations) if c.fail_type or c.guarded is None), None)
        if last is None:
            return None
        first_line = (last.fail_reason or "").strip().split("\n", 1)[0]
        said = any(first_line and first_line in link.message for link in failure.chain)
        return last if said or last.guarded is None or last.fail_type != "Unsupported" else None

    @cached_property
    def failure(self) -> Failure | None:
        return self.evidence.failure("compiled")

    @cached_property
    def skipped(self) -> tuple[Skipped, ...]:
        by_compilation: dict[int, Break] = {}
        for item in self.evidence.breaks:
            by_compilation.setdefault(item.compilation, item)
        groups: dict[tuple[str, str, int], list[tuple[Compilation, Break | None]]] = defaultdict(list)
        for index, compilation in enumerate(self.evidence.compilations):
            item = by_compilation.get(index)
            if self._gave_up(compilation) and (item or compilation.fail_type):
                groups[compilation.file, function_name(compilation.function), compilation.line].append((compilation, item))
        return tuple(self._skip(members) for members in groups.values())

    def _skip(self, members: list[tuple[Compilation, Break | None]]) -> Skipped:
        compilation, item = members[0]
        site = next((site for site in self.sites if item in site.breaks), None) if item else None
        at = self._line_in(compilation, item) if item else compilation.line
        return Skipped(tuple(member for member, _ in members), site, at, bool(item and self._loop(item)))

    @cached_property
    def recompiled(self) -> tuple[Recompiled, ...]:
        groups: dict[tuple[str, str, str], list[tuple[Compilation, Guard]]] = defaultdict(list)
        for compilation in self.evidence.compilations:
            if compilation.recompile_reasons:
                guard = decisive([parse(reason) for reason in compilation.recompile_reasons])
                groups[compilation.file, function_name(compilation.function), guard.key].append((compilation, guard))
        return tuple(self._recompiled(file, function, members) for (file, function, _), members in groups.items())

    def _recompiled(self, file: str, function: str, members: list[tuple[Compilation, Guard]]) -> Recompiled:
        compilation, guard = members[0]
        name = guard.source.rsplit(".", 1)[-1].split("[", 1)[0]
        resumed = compilation.function != function
        sources = self.evidence.sources
        line = places.definition_line(sources, file, compilation.line, function)
        if guard.kind not in ("size", "stride", "rank", "dtype", "requires_grad", "state", "device", "shape-range", "alias"):
            line = self._reader(guard, file, compilation.line, function, name) or line
        caller = next((f for f in reversed(compilation.stack[:-1]) if places.owner(f.file, self.torch_root) == "mine"), None)
        return Recompiled(
            guard=guard,
            file=file,
            function=places.qualified(sources, file, line, function),
            line=line,
            compilations=tuple(member for member, _ in members),
            guards=tuple(found for _, found in members),
            caller=caller,
            follows_break=guard.source.startswith("___stack") or (resumed and self._from_break(file, function, name)),
        )

    def _reader(self, guard: Guard, file: str, first: int, function: str, name: str) -> int | None:
        if guard.read_at and file.endswith(guard.read_at[0]):
            return guard.read_at[1]
        return places.reader_line(self.evidence.sources, file, first, function, name)

    def _from_break(self, file: str, function: str, name: str) -> bool:
        """Whether a break site of this function assigns `name`: `n = x.item()` and then a guard on `n`."""
        lines = [site.frame for site in self.sites if site.frame.file == file and site.frame.function == function]
        return any(self.snippet(frame.file, frame.line).startswith((f"{name} =", f"{name}:")) for frame in lines)

    def snippet(self, file: str, line: int) -> str:
        return places.snippet(self.evidence.sources, file, line)

    def location(self, file: str, line: int, function: str) -> Location:
        qualified = places.qualified(self.evidence.sources, file, line, function)
        return Location(file, line, qualified, self.snippet(file, line))

    def owner(self, file: str) -> str:
        return places.owner(file, self.torch_root)

    def via(self, stack: Iterable[Frame], place: Frame) -> Location | None:
        """The user's own line that leads to a place in a package; None where the place is theirs already."""
        if self.owner(place.file) == "mine":
            return None
        frame = places.innermost_mine(stack, self.torch_root)
        return self.location(frame.file, frame.line, frame.function) if frame else None

    @cached_property
    def costs(self) -> dict[int, Cost]:
        """Cost per site, keyed by `id(site)`: each compilation is counted for one site at most."""
        graphs: dict[int, int] = defaultdict(int)
        seconds: dict[int, float] = defaultdict(float)
        for index, compilation in enumerate(self.evidence.compilations):
            site = self._blame(index, compilation)
            if site is not None:
                graphs[id(site)] += compilation.graphs
                seconds[id(site)] += compilation.seconds or 0.0
        return {key: Cost(graphs[key], seconds[key]) for key in graphs}

    @cached_property
    def _suspects(self) -> list[tuple[Site, _Stopped]]:
        """Every distinct way in which a site stopped a frame, with the first compilation that saw it."""
        found: dict[tuple[int, tuple[Frame, ...], str, str], tuple[Site, _Stopped]] = {}
        for site in self.sites:
            for item in site.breaks:
                broken = self.compilation(item)
                if broken is not None:
                    stopped = _Stopped(item.compilation, item.stack, broken.file, function_name(broken.function), broken.guarded is False)
                    found.setdefault((id(site), item.stack, stopped.file, stopped.function), (site, stopped))
        return list(found.values())

    def _blame(self, index: int, compilation: Compilation) -> Site | None:
        """The site but for which this frame would have been part of another graph; None for a frame of its own right."""
        return next((site for site, stopped in self._suspects if stopped.first < index and stopped.held(compilation)), None)


@dataclass(frozen=True)
class _Stopped:
    """A frame in which tracing stopped, and the stack it stopped with."""

    first: int
    stack: tuple[Frame, ...]
    file: str
    function: str
    gave_up: bool

    def held(self, later: Compilation) -> bool:
        """Whether `later` is a frame that this one held when it stopped, or would have gone on to hold."""
        name = function_name(later.function)
        if later.function != name:  # a resume function: it goes on where one of the stack's frames stopped
            line = int(later.function.rsplit("_", 1)[-1])
            return any(f.file == later.file and f.function == name and f.line == line for f in self.stack)
        own = (i for i, f in enumerate(self.stack) if f.file == self.file and f.function == self.function)
        depth = next(own, len(self.stack))
        if any(f.file == later.file and f.function == name for f in self.stack[depth + 1 :]):
            return True
        return self.gave_up and any(f.file == self.file and f.function == self.function for f in later.stack[:-1])


STATE_KINDS = frozenset({"size", "stride", "rank", "dtype", "requires_grad", "device", "state", "none", "type", "length"})


def decisive(guards: list[Guard]) -> Guard:
    """The guard that explains a recompilation: there is one per cached entry, the newest first.

    An entry that failed only because it belongs to another layer (an int attribute, another function) says nothing
    about why the entry of *this* layer failed; where any entry failed by shape, dtype or global state, that is why.
    """
    return next((guard for guard in guards if guard.kind in STATE_KINDS), guards[0])

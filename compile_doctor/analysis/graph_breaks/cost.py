"""What a break site costs: the frames that would have been part of another graph but for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.graph_breaks.sites import BreakSite
from compile_doctor.model.compilations import Compilation
from compile_doctor.model.findings import Cost
from compile_doctor.model.stacks import Frame, function_name
from compile_doctor.source import locations

_Key = tuple[str, str, str, int]
"""How a frame is part of another one, its file and function, and the line of a resume function."""
_costs: WeakKeyDictionary[AnalysisContext, Mapping[int, Cost]] = WeakKeyDictionary()
_separated: WeakKeyDictionary[AnalysisContext, Mapping[int, BreakSite]] = WeakKeyDictionary()


def site_cost(seen: AnalysisContext, site: BreakSite) -> Cost:
    """Extra graphs and seconds of compile time of one site; each compilation counts for at most one site."""
    if seen not in _costs:
        graphs: dict[int, int] = defaultdict(int)
        seconds: dict[int, float] = defaultdict(float)
        for index, one in separated_by(seen).items():
            compilation = seen.evidence.compilations[index]
            graphs[id(one)] += compilation.graphs
            seconds[id(one)] += compilation.seconds or 0.0
        _costs[seen] = {key: Cost(graphs[key], seconds[key]) for key in graphs}
    return _costs[seen].get(id(site), Cost())


def separated_by(seen: AnalysisContext) -> Mapping[int, BreakSite]:
    """By number of the compilation: the break without which the frame would be part of another one's graph."""
    if seen not in _separated:
        _separated[seen] = _separate(seen)
    return _separated[seen]


def _separate(seen: AnalysisContext) -> Mapping[int, BreakSite]:
    found: dict[int, BreakSite] = {}
    suspects = _suspects(seen)
    waiting = sorted(range(len(suspects)), key=lambda number: -suspects[number][1].first)
    earliest: dict[_Key, int] = {}
    for index, compilation in enumerate(seen.evidence.compilations):
        while waiting and suspects[waiting[-1]][1].first < index:
            number = waiting.pop()
            for key in suspects[number][1].holds():
                earliest[key] = min(number, earliest.get(key, number))
        held = [earliest[key] for key in _would_be_in(compilation) if key in earliest]
        if not held and compilation.function != function_name(compilation.function):
            held = [earliest[key] for key in (_broke(seen, compilation),) if key in earliest]
        if held:
            found[index] = suspects[min(held)][0]
    return found


def _suspects(seen: AnalysisContext) -> list[tuple[BreakSite, _Stopped]]:
    """Every distinct way in which a site stopped a frame, with the first compilation that saw it."""
    found: dict[tuple[int, tuple[Frame, ...], str, str], tuple[BreakSite, _Stopped]] = {}
    for site in seen.sites:
        for item in site.all_breaks:
            broken = seen.compilation(item)
            if broken is not None:
                name = function_name(broken.function)
                gave_up, key = broken.guarded is False, _broke(seen, broken)
                stopped = _Stopped(item.compilation, item.stack, broken.file, name, gave_up, key)
                found.setdefault((id(site), item.stack, stopped.file, name), (site, stopped))
    return list(found.values())


@dataclass(frozen=True)
class _Stopped:
    """A frame in which tracing stopped, and the stack it stopped with."""

    first: int
    stack: tuple[Frame, ...]
    file: str
    function: str
    gave_up: bool
    broke: _Key

    def holds(self) -> Iterator[_Key]:
        """What this frame contained when tracing stopped, or would have contained later."""
        for frame in self.stack:
            yield "resumed", frame.file, frame.function, frame.line
        own = (i for i, f in enumerate(self.stack) if f.file == self.file and f.function == self.function)
        for frame in self.stack[next(own, len(self.stack)) + 1 :]:
            yield "called", frame.file, frame.function, 0
        if self.gave_up:
            yield "caller", self.file, self.function, 0
        yield self.broke


def _would_be_in(later: Compilation) -> Iterator[_Key]:
    """The keys of frames that would have contained this one."""
    name = function_name(later.function)
    if later.function != name:  # a resume function: it continues where one of the stack's frames stopped
        yield "resumed", later.file, name, int(later.function.rsplit("_", 1)[-1])
        return
    yield "called", later.file, name, 0
    for frame in later.stack[:-1]:
        yield "caller", frame.file, frame.function, 0


def _broke(seen: AnalysisContext, one: Compilation) -> _Key:
    """The key of a function that broke somewhere: torch 2.13 leaves the compiled frame out of some stacks, with its line."""
    name = function_name(one.function)
    return "broke", one.file, locations.qualified(seen.evidence.sources, one.file, one.line, name), 0

"""What a break site costs: the frames that would have been part of another graph but for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from compile_doctor.analysis import Seen, Site
from compile_doctor.evidence import Compilation, Frame
from compile_doctor.findings import Cost
from compile_doctor.trace import function_name

_known: WeakKeyDictionary[Seen, Mapping[int, Cost]] = WeakKeyDictionary()


def site_cost(seen: Seen, site: Site) -> Cost:
    """Extra graphs and compile time of one site; each compilation is counted for one site at most."""
    if seen not in _known:
        _known[seen] = _costs(seen)
    return _known[seen].get(id(site), Cost())


def _costs(seen: Seen) -> Mapping[int, Cost]:
    graphs: dict[int, int] = defaultdict(int)
    seconds: dict[int, float] = defaultdict(float)
    suspects = _suspects(seen)
    for index, compilation in enumerate(seen.evidence.compilations):
        held = (site for site, stopped in suspects if stopped.first < index and stopped.held(compilation))
        site = next(held, None)
        if site is not None:
            graphs[id(site)] += compilation.graphs
            seconds[id(site)] += compilation.seconds or 0.0
    return {key: Cost(graphs[key], seconds[key]) for key in graphs}


def _suspects(seen: Seen) -> list[tuple[Site, _Stopped]]:
    """Every distinct way in which a site stopped a frame, with the first compilation that saw it."""
    found: dict[tuple[int, tuple[Frame, ...], str, str], tuple[Site, _Stopped]] = {}
    for site in seen.sites:
        for item in site.breaks:
            broken = seen.compilation(item)
            if broken is not None:
                name = function_name(broken.function)
                stopped = _Stopped(item.compilation, item.stack, broken.file, name, broken.guarded is False)
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

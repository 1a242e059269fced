"""The map of what became of the user's functions: which graphs each was compiled to, where it was cut, what ran as Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.recompiles.guards import Guard
from compile_doctor.model.compilations import Compilation
from compile_doctor.model.findings import Location
from compile_doctor.model.stacks import function_name
from compile_doctor.source import locations


@dataclass(frozen=True)
class Attempt:
    """One compilation of a piece."""

    label: str
    """torch's compile id: `0/1`."""
    process: str
    outcome: str
    """`compiled`, `no graph` (nothing in it needs one), `plain Python`, `failed` or `unfinished`."""
    ops: int
    seconds: float | None
    why: str = ""
    """The guard that failed, in words; empty for a first compilation."""
    was: str | None = None
    now: str | None = None
    failed_entry: str = ""
    """torch's text of the failed guards."""


@dataclass(frozen=True)
class Piece:
    """A function up to its first cut, or what follows a cut."""

    line: int
    """The function's first line, or the line at which it resumes."""
    resumes: bool
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True)
class Cut:
    """A graph break, in the function that was cut."""

    line: int | None
    """The line in this function, which may only call the one that breaks; None if torch does not tell."""
    location: Location
    """The line that breaks the graph."""
    title: str


@dataclass(frozen=True)
class Lane:
    """One function of the user's, with all that was compiled for it."""

    location: Location
    """The function at its first line."""
    owner: str
    pieces: tuple[Piece, ...]
    """In the order of their lines."""
    cuts: tuple[Cut, ...]
    eager: str
    """What ran as plain Python: `all of it`, `lines 12-20`; empty if nothing is known to."""
    parent: int | None
    """The lane of the function that called it."""
    called: Location | None
    """The user's line that called it first, if torch tells."""
    depth: int


@dataclass(frozen=True)
class FrameMap:
    """The functions of one process, or of ranks that did the same: each caller before what it calls."""

    ranks: tuple[int, ...]
    lanes: tuple[Lane, ...]


_Key = tuple[str, str]
"""File and qualified name of a function."""


MAPS = 8
"""Groups of ranks with a map of their own."""


def frame_maps(seen: AnalysisContext) -> tuple[FrameMap, ...]:
    """One map; for a run with ranks, one for each group of them that did the same."""
    return tuple(frame_map(own, ranks) for own, ranks in groups(seen))


def groups(seen: AnalysisContext) -> Iterator[tuple[AnalysisContext, tuple[int, ...]]]:
    """The evidence itself; for a run with ranks, that of the largest groups, with their ranks."""
    ranks = seen.evidence.ranks
    if not ranks:
        yield seen, ()
        return
    members: dict[int, list[int]] = defaultdict(list)
    stand_ins = ranks.stand_ins()
    for one in ranks.all:
        members[stand_ins[one.group]].append(one.number)
    largest = sorted(members, key=lambda index: (-len(members[index]), members[index][0]))[:MAPS]
    for index in largest:
        own = seen.of_groups[index]
        if own is not None:
            yield own, tuple(members[index])


def frame_map(seen: AnalysisContext, ranks: tuple[int, ...] = ()) -> FrameMap:
    """The map of one evidence; without lanes if nothing was compiled."""
    members: dict[_Key, dict[tuple[int, bool], list[int]]] = defaultdict(lambda: defaultdict(list))
    for index, one in enumerate(seen.evidence.compilations):
        name = function_name(one.function)
        if not locations.is_interior(one.file, name):
            resumes = name != one.function
            members[_key(seen, one)][one.line if resumes else 0, resumes].append(index)
    cuts, eager = _cuts(seen), _eager(seen)
    parents = {key: _parent(seen, key, pieces, members.keys()) for key, pieces in members.items()}
    order = list(_tree(members, parents))
    number = {key: index for index, (key, _) in enumerate(order)}
    guards = _guards(seen)
    lanes = []
    for key, depth in order:
        pieces = members[key]
        first = seen.evidence.compilations[next(iter(pieces.values()))[0]]
        line = locations.definition_line(seen.evidence.sources, first.file, first.line, function_name(first.function))
        parent = parents[key]
        lanes.append(
            Lane(
                location=Location(key[0], line, key[1]),
                owner=seen.owner(key[0]),
                pieces=tuple(
                    Piece(at or line, resumes, tuple(_attempt(seen, index, guards) for index in found))
                    for (at, resumes), found in sorted(pieces.items())
                ),
                cuts=tuple(
                    sorted(cuts.get(key, ()), key=lambda cut: (cut.line or 0, cut.location.file, cut.location.line))
                ),
                eager=eager.get(key, ""),
                parent=number[parent] if parent else None,
                called=_called(seen, first),
                depth=depth,
            )
        )
    return FrameMap(ranks, tuple(lanes))


def _key(seen: AnalysisContext, one: Compilation) -> _Key:
    return one.file, locations.qualified(seen.evidence.sources, one.file, one.line, function_name(one.function))


def _parent(
    seen: AnalysisContext, key: _Key, pieces: dict[tuple[int, bool], list[int]], known: Iterable[_Key]
) -> _Key | None:
    """The nearest function on the stack of its first compilation that has a lane too."""
    first = seen.evidence.compilations[min(index for found in pieces.values() for index in found)]
    callers = first.graph.callers if first.graph else ()
    for frame in (*reversed(first.stack[:-1]), *reversed(callers)):
        name = function_name(frame.function)
        caller = frame.file, locations.qualified(seen.evidence.sources, frame.file, frame.line, name)
        if caller != key and caller in known:
            return caller
    return None


def _called(seen: AnalysisContext, first: Compilation) -> Location | None:
    name = function_name(first.function)
    around = (frame for frame in first.stack if (frame.file, function_name(frame.function)) != (first.file, name))
    frame = locations.innermost_mine((*around, *(first.graph.callers if first.graph else ())), seen.torch_root)
    return seen.location(frame.file, frame.line, frame.function) if frame else None


def _tree(keys: Iterable[_Key], parents: dict[_Key, _Key | None]) -> Iterator[tuple[_Key, int]]:
    """Each caller before what it calls, with its depth. Functions that call each other are entered once."""
    children: dict[_Key | None, list[_Key]] = defaultdict(list)
    for key in keys:
        children[parents[key]].append(key)
    done: set[_Key] = set()
    for root in (*children[None], *keys):
        stack = [(root, 0)]
        while stack:
            key, depth = stack.pop()
            if key not in done:
                done.add(key)
                yield key, depth
                stack += [(child, depth + 1) for child in reversed(children[key])]


def _guards(seen: AnalysisContext) -> dict[int, Guard]:
    return {
        id(one): guard for group in seen.recompiled for one, guard in zip(group.compilations, group.guards, strict=True)
    }


def _attempt(seen: AnalysisContext, index: int, guards: dict[int, Guard]) -> Attempt:
    one = seen.evidence.compilations[index]
    guard = guards.get(id(one))
    return Attempt(
        label=one.label,
        process=one.process,
        outcome=_outcome(one),
        ops=one.ops,
        seconds=one.seconds,
        why=guard.words if guard else "",
        was=guard.was if guard else None,
        now=guard.now if guard else None,
        failed_entry="\n".join(one.recompile_reasons),
    )


def _outcome(one: Compilation) -> str:
    if one.guarded:
        return "compiled" if one.graphs else "no graph"
    if one.guarded is None:
        return "unfinished"
    return "plain Python" if one.fail_type in (None, "Unsupported") else "failed"


def _cuts(seen: AnalysisContext) -> dict[_Key, list[Cut]]:
    """By function, each line once for each place that breaks."""
    found: dict[_Key, dict[tuple[int | None, str, int], Cut]] = defaultdict(dict)
    for site in seen.sites:
        place = seen.location(site.frame.file, site.frame.line, site.frame.function)
        for item in site.all_breaks:
            one = seen.compilation(item)
            if one is not None:
                line = next((frame.line for frame in item.stack if seen.same_function(one, frame)), None)
                found[_key(seen, one)].setdefault((line, place.file, place.line), Cut(line, place, site.cause.title))
    return {key: list(cuts.values()) for key, cuts in found.items()}


def _eager(seen: AnalysisContext) -> dict[_Key, str]:
    found = {}
    for one in seen.skipped:
        name = locations.qualified(seen.evidence.sources, one.frame.file, one.frame.line, one.frame.function)
        text = "all of it" if one.rest is None else "the rest of it"
        if one.rest and one.rest[1]:
            text = f"lines {one.rest[0]}–{one.rest[1]}"
        found[one.frame.file, name] = text
    return found


def moved(found: FrameMap, path: Callable[[str], str]) -> FrameMap:
    """The same map, with other names for the files."""

    def place(location: Location) -> Location:
        return replace(location, file=path(location.file))

    return replace(
        found,
        lanes=tuple(
            replace(
                lane,
                location=place(lane.location),
                called=place(lane.called) if lane.called else None,
                cuts=tuple(replace(cut, location=place(cut.location)) for cut in lane.cuts),
            )
            for lane in found.lanes
        ),
    )

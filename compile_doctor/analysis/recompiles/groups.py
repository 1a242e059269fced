"""Groups recompilations by frame and cause, and finds the line that reads the value that varies."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compile_doctor.analysis.decorated import written_at
from compile_doctor.analysis.recompiles.guards import Guard, carrier, entry, parse, plain
from compile_doctor.model.compilations import Compilation, Specialization
from compile_doctor.model.evidence import Evidence
from compile_doctor.model.stacks import Frame, function_name
from compile_doctor.source import locations, uses
from compile_doctor.source.writes import GLOBAL, NONLOCAL, Write, last_name, writes

STATE_KINDS = frozenset(
    {"size", "stride", "rank", "dtype", "requires_grad", "device", "state", "none", "type", "length"}
)
UNREAD_KINDS = frozenset(
    {
        "size",
        "stride",
        "rank",
        "dtype",
        "requires_grad",
        "device",
        "state",
        "shape-range",
        "one-or-none",
        "alias",
        "shared",
    }
)
"""Guards on a whole argument or setting: no single line reads them, so the location is the function."""

WRITABLE_KINDS = frozenset({"module-int", "value", "attribute", "keys", "length", "empty", "none"})
"""Guards on the value of an attribute or a key, which the program may write while it runs."""

_NUMBERS = re.compile(r"[\d\s()%+*/<>=!.-]+")
"""What is left of `(4 % sizes[0])` without the value that it is computed from."""

_Known = defaultdict[tuple[str, str | None], dict[str, str]]
"""By process and entry, what the entry was compiled for: the value that each guard requires, by the guard's key."""


@dataclass(frozen=True)
class Recompiled:
    """One frame that was compiled again for one cause."""

    guard: Guard
    file: str
    function: str
    line: int
    """The line that reads the value that varies, or the function's first line."""
    compilations: tuple[Compilation, ...]
    guards: tuple[Guard, ...]
    """The failed guard of each recompilation, in order."""
    reason: str
    """Torch's text of the first of them."""
    caller: Frame | None
    """The user's line that called the frame."""
    follows_break: bool
    """Whether the value that varies comes from a graph break."""
    written: Write | None = None
    """The statement, outside constructors, that writes the attribute or key that varies."""
    fixed: Specialization | None = None
    """For a size: where the traced code fixed it to one value, although torch had made it dynamic."""


def group_recompilations(evidence: Evidence, torch_root: str | None, broken: Sequence[Frame]) -> tuple[Recompiled, ...]:
    """One entry per frame and cause; `broken` are the lines of break sites, because a value may come from a break."""
    assigned = _assigned(evidence, broken)
    groups: dict[tuple[str, str, str], list[tuple[Compilation, Guard]]] = defaultdict(list)
    known: _Known = defaultdict(dict)
    decided: dict[tuple[str, str | None], str] = {}
    for compilation in evidence.compilations:
        guards = [parse(reason) for reason in compilation.recompile_reasons]
        met = [*_met(known, compilation, guards), *_superseded(decided, compilation, guards)]
        chosen = decisive(guards, met, evidence.sources) if guards else None
        if chosen:
            decided[compilation.process, compilation.label] = chosen.key
        if chosen and not locations.is_interior(compilation.file, compilation.function):
            if locations.is_plumbing(compilation.file) and chosen.source == "fn":
                continue  # torch wraps every torch.nn module in the same `inner(fn)`: another module, not a recompile
            groups[compilation.file, function_name(compilation.function), chosen.key].append((compilation, chosen))
    return tuple(
        _group(evidence, torch_root, assigned, file, function, members)
        for (file, function, _), members in _joined(groups).items()
    )


_Groups = dict[tuple[str, str, str], list[tuple[Compilation, Guard]]]


def _joined(groups: _Groups) -> _Groups:
    """One cause that several guards show: a container that was empty and then got longer, and an expression of one value."""
    left: _Groups = {}
    for (file, function, key), members in groups.items():
        same = (others for (at, name, _), others in groups.items() if (at, name) == (file, function))
        known = next((others for others in same if others is not members and _shows(members[0][1], others[0][1])), None)
        if known is None:
            left[file, function, key] = members
        else:
            known += members
    return left


def _shows(guard: Guard, other: Guard) -> bool:
    """Whether a guard fails only because of what another one is about."""
    if guard.kind == "empty":
        return other.kind in ("length", "keys") and f"{other.source}[".startswith(f"{guard.source}[")
    if guard.kind != "value" or other.kind != "value" or guard.source == other.source:
        return False
    return _NUMBERS.fullmatch(guard.source.replace(other.source, "0")) is not None


def decisive(guards: list[Guard], met: Sequence[Guard] = (), sources: Mapping[str, str] | None = None) -> Guard:
    """The guard that explains a recompilation: there is one per cached entry, the newest first.

    Those in `met` do not: another entry has that value, or was made for it. Of the rest, a value that the program writes
    while it runs explains it if the newest entry failed for that. An entry that failed only because it belongs to another
    layer (an int attribute that only the constructor writes, another function) does not explain why the entry of *this*
    layer failed: if any entry failed because of a shape, dtype or global state, that is the explanation.
    """
    left = [guard for guard in guards if guard not in met] or guards
    if _written(left[0], sources or {}):
        return left[0]
    return next((guard for guard in left if guard.kind in STATE_KINDS), left[0])


def _superseded(
    decided: Mapping[tuple[str, str | None], str], compilation: Compilation, guards: list[Guard]
) -> list[Guard]:
    """The guards on sizes for which a later entry was made that now fails for something else: that is what is new.

    A static entry fails by each new size. The entry that was made because of the size is dynamic: if it fails by an
    attribute, the attribute is what varies.
    """
    found = []
    for index, guard in enumerate(guards):
        if guard.kind != "size":
            continue
        newer = zip(compilation.recompile_reasons[:index], guards[:index])
        if any(
            decided.get((compilation.process, entry(reason))) == guard.key and other.key != guard.key
            for reason, other in newer
        ):
            found.append(guard)
    return found


def _written(guard: Guard, sources: Mapping[str, str]) -> Write | None:
    """Where the program writes the attribute or key that the guard reads; in the file that reads it, if torch names it."""
    if guard.kind not in WRITABLE_KINDS and not guard.cell:
        return None
    base = re.sub(r"(?:\[\d+\])+$", "", guard.source)
    name = last_name(base) or (f"{GLOBAL}{base}" if base.isidentifier() else None)
    name = f"{NONLOCAL}{guard.cell}" if guard.cell else name
    if name is None:
        return None
    tail = guard.read_at[0] if guard.read_at else ""
    near = next((file for file in sorted(sources) if tail and file.endswith(tail)), None)
    found = list(writes(sources, name, near))
    reads = guard.read_at[1] if guard.read_at else 0
    return min(found, key=lambda one: abs(one.line - reads), default=None)


def _met(known: _Known, compilation: Compilation, guards: list[Guard]) -> list[Guard]:
    """The guards whose new value a cached entry was compiled for: that entry is closer, and failed for another reason.

    torch names the first guard of each entry that failed, and tries first what has failed most often. So the reason of
    one entry does not show how much else differs; `known` collects over the whole run what each entry was compiled for.
    """
    cached = [known[compilation.process, entry(reason)] for reason in compilation.recompile_reasons]
    for values, guard in zip(cached, guards):
        if guard.was is not None:
            values[guard.key] = guard.was
    known[compilation.process, compilation.label] = {guard.key: guard.now for guard in guards if guard.now is not None}
    return [guard for guard in guards if guard.now is not None and any(v.get(guard.key) == guard.now for v in cached)]


def _group(
    evidence: Evidence,
    torch_root: str | None,
    assigned: Mapping[tuple[str, str], set[str]],
    file: str,
    function: str,
    members: list[tuple[Compilation, Guard]],
) -> Recompiled:
    compilation, guard = members[0]
    name = _base_name(guard.source)
    line = _line(evidence, guard, compilation, function, name)
    # torch 2.13 leaves out the line that called a compiled function; if the graph contains attention, the probe saw it.
    callers = compilation.graph.callers if compilation.graph else ()
    around = (frame for frame in compilation.stack if frame.file != file or frame.function != function)
    caller = locations.innermost_mine((*around, *callers), torch_root)
    resumed = compilation.function != function
    follows = guard.source.startswith("___stack") or (resumed and name in assigned.get((file, function), ()))
    own = None
    if locations.is_plumbing(file):
        own = caller or _reader(evidence, torch_root, guard)
    elif locations.owner(file, torch_root) == "torch":
        own = _reader(evidence, torch_root, guard) or caller  # torch.optim's wrapper of a step that the user wrote
    if own:
        file, line, function, caller = own.file, own.line, own.function, None
    file, line, function, _ = written_at(evidence, Frame(file, line, function))
    return Recompiled(
        guard=guard,
        file=file,
        function=_function_at(evidence, file, line, function),
        line=line,
        compilations=tuple(member for member, _ in members),
        guards=tuple(found for _, found in members),
        reason=next(reason for reason in compilation.recompile_reasons if parse(reason) == guard),
        caller=caller,
        follows_break=follows,
        written=_written(guard, evidence.sources),
        fixed=_fixed(guard, [member for member, _ in members]),
    )


def _function_at(evidence: Evidence, file: str, line: int, function: str) -> str:
    """The function of the line, which may be another one that the frame calls: torch names the reader of the value."""
    name = locations.qualified(evidence.sources, file, line, function)
    around = locations.enclosing(evidence.sources, file, line)
    return around if name == function and around != "<module>" else name


def _fixed(guard: Guard, compilations: Sequence[Compilation]) -> Specialization | None:
    """Where the frame's code fixes the size (or int) that varies."""
    wanted = f".size()[{guard.dimension}]" if guard.kind == "size" else ""
    for compilation in compilations:
        for one in compilation.specialized:
            if plain(one.source) == guard.source + wanted:
                return one
    return None


def _reader(evidence: Evidence, torch_root: str | None, guard: Guard) -> Frame | None:
    """The user's line that torch names as the reader of the value: inside the function that was passed in."""
    tail, line = guard.read_at or ("", 0)
    found = [name for name in evidence.sources if tail and name.endswith(tail)]
    if len(found) != 1 or locations.owner(found[0], torch_root) != "mine":
        return None
    return Frame(found[0], line, locations.enclosing(evidence.sources, found[0], line).rsplit(".", 1)[-1])


def _base_name(source: str) -> str:
    """The identifier that the user wrote: `score_mod` of `score_mod.__closure__[0]`, `layer_idx` of `self.layer_idx`."""
    head = re.split(r"\[|\.__|\.func\b", source, maxsplit=1)[0]
    return re.sub(r"\W+$", "", head).rsplit(".", 1)[-1] or source


def _line(evidence: Evidence, guard: Guard, compilation: Compilation, function: str, name: str) -> int:
    file, first, sources = compilation.file, compilation.line, evidence.sources
    definition = locations.definition_line(sources, file, first, function)
    if guard.kind in UNREAD_KINDS and not carrier(guard.source):
        return definition
    # For a closure torch names a line inside the function that was passed in, which may be anywhere.
    if guard.kind != "closure" and guard.read_at and file.endswith(guard.read_at[0]):
        return guard.read_at[1]
    attribute = last_name(re.sub(r"(?:\[\d+\])+$", "", guard.source)) if guard.source.startswith("self.") else None
    found = uses.attribute_reader(sources, file, attribute, definition) if attribute else None
    if found:
        return found
    names = (name, guard.source.split(".", 1)[0])  # `block_mask.mask_mod` is read where block_mask is
    return next(filter(None, (locations.reader_line(sources, file, first, function, one) for one in names)), definition)


def _assigned(evidence: Evidence, broken: Sequence[Frame]) -> dict[tuple[str, str], set[str]]:
    """By function, the names that its break sites assign: `n = x.item()`, and then a guard on `n`."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for frame in broken:
        text = locations.snippet(evidence.sources, frame.file, frame.line)
        found[frame.file, frame.function] |= {text.partition(end)[0] for end in (" =", ":") if end in text}
    return found

"""Recompilations that are there only because of a graph break: they belong to its finding."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from weakref import WeakKeyDictionary

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.graph_breaks.by_design import is_deliberate
from compile_doctor.analysis.graph_breaks.cost import separated_by
from compile_doctor.analysis.graph_breaks.sites import BreakSite
from compile_doctor.analysis.recompiles.groups import Recompiled
from compile_doctor.analysis.recompiles.kinds import has_own_code
from compile_doctor.model.compilations import Compilation

_RESUMED_AT = re.compile(r"^torch_dynamo_resume_in_.+_at_(\d+)$")
_known: WeakKeyDictionary[AnalysisContext, Mapping[int, BreakSite]] = WeakKeyDictionary()


def break_of(seen: AnalysisContext, group: Recompiled) -> BreakSite | None:
    """The break without which a group of recompilations would not be there; None if it has a cause of its own."""
    return _followers(seen).get(id(group))


def following(seen: AnalysisContext, site: BreakSite) -> list[Recompiled]:
    """The recompilations that are only there because of a break."""
    return [group for group in seen.recompiled if break_of(seen, group) is site]


def _followers(seen: AnalysisContext) -> Mapping[int, BreakSite]:
    if seen not in _known:
        number = {id(one): index for index, one in enumerate(seen.evidence.compilations)}
        again = _entered_again(seen)
        found = (
            (group, _of_value(seen, group, number) or _of_one_call(seen, group, number, again))
            for group in seen.recompiled
        )
        _known[seen] = {id(group): site for group, site in found if site and not has_own_code(seen, group)}
    return _known[seen]


def _of_value(seen: AnalysisContext, group: Recompiled, number: Mapping[int, int]) -> BreakSite | None:
    """The break that the value which varies comes from, or in whose line plain Python calls the frame again and again."""
    first = group.compilations[0]
    resumed = _RESUMED_AT.match(first.function)
    if group.follows_break and resumed:
        lines = {int(resumed[1]), group.line}
    elif first.function.startswith("<"):  # a lambda or a comprehension in the breaking line
        lines = {first.line}
    else:
        return None
    wanted = {(first.file, line) for line in lines}
    exact = next((site for site in seen.sites if wanted & _places(site)), None)
    # The break may be inside of what the resumed function called.
    return exact or (_separating(seen, group, number) if group.follows_break else None)


def _places(site: BreakSite) -> set[tuple[str, int]]:
    """Where the break is, and those that follow from it."""
    ends = (one.stack[-1] for one in site.followed if one.stack)
    return {(site.frame.file, site.frame.line), *((end.file, end.line) for end in ends)}


def _of_one_call(
    seen: AnalysisContext, group: Recompiled, number: Mapping[int, int], again: frozenset[int]
) -> BreakSite | None:
    """The break that made a frame one by itself, if it was entered several times within one call of the target.

    Without the break each time would be inlined into the one graph of that call, whatever differs between them. What
    differs from call to call (an object that each call makes, an input of another size) is a cause of its own.
    """
    members = {number[id(one)] for one in group.compilations}
    return _separating(seen, group, number) if members <= again else None


def _separating(seen: AnalysisContext, group: Recompiled, number: Mapping[int, int]) -> BreakSite | None:
    """The break that made the frame one by itself; None if that is not known of each time, or if somebody wants a break."""
    sites = [separated_by(seen).get(number[id(one)]) for one in group.compilations]
    known = [site for site in sites if site and not is_deliberate(seen, site)]
    return known[0] if len(known) == len(sites) else None


def _entered_again(seen: AnalysisContext) -> frozenset[int]:
    """The recompilations of which every earlier entry of the frame was made in the same call of the target.

    None of a target that calls torch.compile itself, or of regional compilation: one call of the target may then be many
    calls of what is compiled.
    """
    evidence = seen.evidence
    if evidence.facts.as_is or evidence.asked.settings.regional:
        return frozenset()
    calls: dict[tuple[str, int], set[int | None]] = defaultdict(set)
    found = set()
    for index, one in enumerate(evidence.compilations):
        entries = calls[one.process, one.frame_id]
        entries.add(_call(seen, one))
        if len(entries) == 1 and None not in entries and one.recompile_reasons:
            found.add(index)
    return frozenset(found)


def _call(seen: AnalysisContext, one: Compilation) -> int | None:
    """The call of the target in which a frame was compiled."""
    begun = one.begun
    if begun is None:
        return None
    inside: Iterator[int] = (
        call.index
        for call in seen.evidence.calls
        if call.phase == "compiled" and call.start <= begun <= call.start + call.duration
    )
    return next(inside, None)

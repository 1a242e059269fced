"""The steps of a rank, by which ranks are compared: one for each compilation."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compile_doctor.model.compilations import Compilation
from compile_doctor.model.evidence import Evidence
from compile_doctor.model.ranks import Step
from compile_doctor.model.stacks import Frame
from compile_doctor.source import locations

_ADDRESS = re.compile(r"0x[0-9a-f]{6,}|\b\d{12,}\b")


def steps_of(evidence: Evidence) -> Iterator[Step]:
    """Each compilation, as ranks are compared by."""
    breaks: dict[int, list[tuple[str, int, str]]] = {}
    root = evidence.environment.get("torch_root")
    for item in evidence.breaks:
        at = locations.innermost(item.stack, root) or Frame(*item.recorded_at, "")
        breaks.setdefault(item.compilation, []).append((at.file, at.line, item.reason.partition("\n")[0][:200]))
    for index, one in enumerate(evidence.compilations):
        yield _step(one, tuple(breaks.get(index, ())), root)


def _step(one: Compilation, breaks: tuple[tuple[str, int, str], ...], root: str | None) -> Step:
    traced = one.traced
    seen = one.graph.collectives if one.graph else ()
    calls = one.collectives if one.collectives is not None else traced.collectives if traced else ()
    return Step(
        file=one.file,
        line=one.line,
        function=one.function,
        label=one.label,
        stack=one.stack[-3:],
        reasons=tuple(_ADDRESS.sub("…", reason.splitlines()[0])[:300] for reason in one.recompile_reasons),
        breaks=breaks,
        finished=one.guarded is not None,
        graph=traced.digest if traced else "",
        operators=traced.operators if traced else (),
        sizes=traced.sizes if traced else (),
        collectives=calls,
        lines=tuple(locations.innermost_mine(stack, root) or stack[-1] for stack in seen if stack),
        cache=one.cache,
        settings=one.settings,
    )

"""Recompilations that are there only because of a graph break: they belong to its finding."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from compile_doctor.analysis.recompiles.groups import Recompiled

if TYPE_CHECKING:
    from compile_doctor.analysis.context import AnalysisContext, BreakSite

_RESUMED_AT = re.compile(r"^torch_dynamo_resume_in_.+_at_(\d+)$")


def break_of(seen: AnalysisContext, group: Recompiled) -> BreakSite | None:
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
    return next((site for site in seen.sites if wanted & _places(site)), None)


def _places(site: BreakSite) -> set[tuple[str, int]]:
    """Where the break is, and those that follow from it."""
    ends = (one.stack[-1] for one in site.followed if one.stack)
    return {(site.frame.file, site.frame.line), *((end.file, end.line) for end in ends)}

"""What a check is: a code, its facts, an explanation, a program for which it fires, one for which it does not, `detect`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.graph_breaks.by_design import by_design
from compile_doctor.analysis.graph_breaks.cost import site_cost
from compile_doctor.analysis.graph_breaks.sites import BreakSite
from compile_doctor.analysis.recompiles.groups import Recompiled
from compile_doctor.analysis.root_cause import root_cause
from compile_doctor.checks.consequences import also, further, recompiled
from compile_doctor.model.evidence import Evidence
from compile_doctor.model.findings import CATEGORIES, SEVERITIES, CheckFacts, Cost, Finding, Location
from compile_doctor.source import locations
from compile_doctor.source.arguments import as_constant

CODE = re.compile(r"[A-Z]{2,6}[0-9]{3}")
Need = Callable[[Evidence], Iterator[str]]
"""Yields each reason why the evidence is not enough; nothing if it is. checks/needs.py has those that checks share."""


@dataclass(frozen=True, kw_only=True)
class Check(CheckFacts):
    """All about one code. `detect` yields one finding per cause and location, and reads only the evidence."""

    code: str
    """Two to six capital letters and three digits; `CD` is compile-doctor's own."""
    name: str
    severity: str
    """`error`, `warning` or `info`; empty for a code that is the outcome of the whole run."""
    summary: str
    """One line: when it fires."""
    explanation: str
    """What `compile-doctor explain` prints: why it matters, how to see it, how to fix it."""
    detect: Callable[[AnalysisContext], Iterable[Finding]]
    needs: tuple[Need, ...] = ()
    """The evidence that it requires; if some is missing, the report shows "not checked" with the reasons."""
    fires: str = ""
    """A target file for which the check fires."""
    silent: str = ""
    """The same, fixed: the check does not fire."""
    versions: str = ""
    """The versions of torch, as a PEP 440 specifier, on which `fires` fires; empty for all."""
    device: str = ""
    """The device that the two programs need; empty for a CPU, on which all others are recorded."""
    options: str = "--backend eager"
    """The options of `diagnose` for these two programs; `eager` is quick, kernels need Inductor."""

    def __post_init__(self) -> None:
        """Raises ValueError for a fact that is not valid, which may come from a plug-in."""
        for name, value, known in (
            ("severity", self.severity, ("", *SEVERITIES)),
            ("category", self.category, tuple(CATEGORIES)),
            ("exit_code", self.exit_code, (None, 2, 3)),
        ):
            if value not in known:
                raise ValueError(f"{self.code}: {name} is {value!r}, not one of {', '.join(map(repr, known))}")
        if not CODE.fullmatch(self.code):
            raise ValueError(f"{self.code!r} is not two to six capital letters and three digits")

    @cached_property
    def facts(self) -> CheckFacts:
        """The facts that its findings carry."""
        return CheckFacts(**{one.name: getattr(self, one.name) for one in fields(CheckFacts)})

    def finding(self, title: str, message: str, **values: Any) -> Finding:
        """A finding of this check; `severity` is the check's by default. `values` are further fields of Finding."""
        values.setdefault("severity", self.severity or "error")
        return Finding(code=self.code, name=self.name, title=title, message=message, facts=self.facts, **values)


def site_values(seen: AnalysisContext, site: BreakSite) -> dict[str, Any]:
    """What every finding about a break site has: location, owner, cause, evidence and cost."""
    frame = site.frame
    own = by_design(seen, site)
    seen_in = [site.breaks[0].source]
    evidence = [f"torch: {headline(site.reason)}"]
    evidence.append(
        f"{len(site.breaks)} record{'s' * (len(site.breaks) != 1)} of kind {seen_in[0]} in the structured trace"
    )
    evidence += _called_from(seen, site)
    evidence += [f"it led to: {headline(item.reason)}" for item in site.followed]
    evidence += recompiled(seen, site)
    if not site.told:
        evidence.append(
            "torch names no line for it: the location is the function that was being traced, or where the break was noticed"
        )
    file, line = site.breaks[0].recorded_at
    if file != frame.file and seen.is_known(file):
        evidence.append(
            f"the line is in code that was generated in memory, {file}:{line}: the location is what it stands for"
        )
    inside = site.breaks[0].stack[-1:]
    if inside and locations.is_inside_torch(inside[0].file) and inside[0] != frame:
        evidence.append(f"inside of torch: {locations.short(inside[0].file)}:{inside[0].line} in {inside[0].function}")
    return {
        "location": seen.location(frame.file, frame.line, frame.function),
        "owner": seen.owner(frame.file),
        "count": len(site.breaks),
        "upstream": site.upstream,
        "cause": site.cause.key,
        "fix": own.fix if own else as_constant(seen.evidence.sources, frame, site.reason) or site.cause.fix,
        "evidence": tuple(evidence),
        "via": seen.via(site.breaks[0].stack, frame),
        "also": also(seen, site),
        "cost": site_cost(seen, site),
    }


_CALLERS = 5
"""Lines that lead to a break, in its evidence."""


def _called_from(seen: AnalysisContext, site: BreakSite) -> list[str]:
    """The user's lines that lead to the break, if there are several: `via` of the finding has only the first."""
    found: dict[str, None] = {}
    for item in site.breaks:
        above = [one for one in item.stack if seen.owner(one.file) == "mine" and one != site.frame]
        if above:
            found[f"called from {above[-1].file}:{above[-1].line} in {above[-1].function}"] = None
    return list(found)[:_CALLERS] if len(found) > 1 else []


def is_the_error(seen: AnalysisContext, site: BreakSite) -> bool:
    """Whether the break raised, because fullgraph=True allows none: then CD106 is the finding."""
    failure = seen.failure
    if failure is None or not any(link.type.endswith("exc.Unsupported") for link in failure.chain):
        return False
    place = root_cause(failure, seen.torch_root).frame
    return place is not None and (place.file, place.line) == (site.frame.file, site.frame.line)


def site_why(seen: AnalysisContext, site: BreakSite) -> str:
    """Why the graph ends there, with what follows from it."""
    own = by_design(seen, site)
    parts = [own.why if own else site.cause.why]
    if site.callers:
        calling = (
            "The function that calls it breaks" if site.callers == 1 else f"{site.callers} calling functions break"
        )
        parts.append(f"{calling} at that call too.")
    return " ".join([*parts, *further(seen, site)])


def headline(reason: str) -> str:
    """The line of torch's reason that states what happened, without the lines that newer versions put around it."""
    skipped = (
        "Encountered graph break when attempting",
        "Failed to handle graph break gracefully",
        "Graph break under ",
    )
    lines = [line.strip() for line in reason.splitlines() if line.strip()]
    return next((line for line in lines if not line.startswith(skipped)), lines[0] if lines else "")


def recompile_values(seen: AnalysisContext, group: Recompiled) -> dict[str, Any]:
    """What every finding about a recompiled frame has."""
    caller = group.caller
    evidence = [f"guard: {group.reason.splitlines()[0].split('  # ')[0].strip()}"]
    if caller:
        evidence.append(f"called from {caller.file}:{caller.line} in {caller.function}")
    seconds = sum(compilation.seconds or 0.0 for compilation in group.compilations)
    return {
        "location": Location(group.file, group.line, group.function, seen.snippet(group.file, group.line)),
        "owner": seen.owner(group.file),
        "count": len(group.compilations),
        "cause": group.guard.key,
        "evidence": tuple(evidence),
        "via": Location(caller.file, caller.line, caller.function, seen.snippet(caller.file, caller.line))
        if caller and seen.owner(group.file) != "mine"
        else None,
        "cost": Cost(sum(compilation.graphs for compilation in group.compilations), seconds),
    }

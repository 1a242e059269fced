"""What a check is: a code, an explanation, a program that fires it, one that does not, and `detect`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from compile_doctor.analysis.context import Seen, Site
from compile_doctor.analysis.graph_breaks.cost import site_cost
from compile_doctor.analysis.recompiles.groups import Recompiled
from compile_doctor.model.findings import Cost, Finding, Location


@dataclass(frozen=True)
class Check:
    """`detect` yields a finding per cause and place; it reads the evidence and nothing else."""

    code: str
    name: str
    severity: str
    """`error`, `warning`, `info`; empty for a code that stands for the outcome of the whole run."""
    summary: str
    """One line: when it fires."""
    explanation: str
    """What `compile-doctor explain` prints: why it matters, how to see it, how to mend it."""
    detect: Callable[[Seen], Iterator[Finding]]
    fires: str = ""
    """A target file for which the check fires."""
    silent: str = ""
    """The same, mended."""
    versions: str = ""
    """The versions of torch, as in PEP 440, on which `fires` fires; empty for all."""
    options: str = "--backend eager"
    """What `diagnose` is to be run with on these two programs; eager is quick, kernels take Inductor."""
    from_source: bool = False
    """Whether it reads the target's sources and nothing of the run: what it finds holds where the run failed too."""

    def finding(self, title: str, message: str, **values: Any) -> Finding:
        """A finding of this check; `severity` is the check's unless given."""
        values.setdefault("severity", self.severity or "error")
        return Finding(code=self.code, name=self.name, title=title, message=message, **values)


def site_values(seen: Seen, site: Site) -> dict[str, Any]:
    """What every finding about a break site has: place, owner, cause, what was seen, what it costs."""
    frame = site.frame
    seen_in = [site.breaks[0].source]
    evidence = [f"torch: {headline(site.reason)}"]
    evidence.append(
        f"{len(site.breaks)} record{'s' * (len(site.breaks) != 1)} of kind {seen_in[0]} in the structured trace"
    )
    if not site.told:
        evidence.append(
            "torch names no line for it: the place is the function that was being traced, or where the break was noticed"
        )
    return {
        "location": seen.location(frame.file, frame.line, frame.function),
        "owner": seen.owner(frame.file),
        "count": len(site.breaks),
        "upstream": site.upstream,
        "cause": site.cause.key,
        "fix": site.cause.fix,
        "evidence": tuple(evidence),
        "via": seen.via(site.breaks[0].stack, frame),
        "cost": site_cost(seen, site),
    }


def headline(reason: str) -> str:
    """The line of torch's reason that says what happened, without the wrapping that newer versions put around it."""
    skipped = (
        "Encountered graph break when attempting",
        "Failed to handle graph break gracefully",
        "Graph break under ",
    )
    lines = [line.strip() for line in reason.splitlines() if line.strip()]
    return next((line for line in lines if not line.startswith(skipped)), lines[0] if lines else "")


def recompile_values(seen: Seen, group: Recompiled) -> dict[str, Any]:
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

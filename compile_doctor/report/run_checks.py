"""Runs every check on the evidence: the findings, worst first, and what could not be checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.recipe_match import with_recipe
from compile_doctor.checks import plugin_of
from compile_doctor.checks.base import Check
from compile_doctor.errors import DoctorError
from compile_doctor.model.findings import OWNERS, SEVERITIES, Cost, Finding, Location

_TYPES: dict[str, Any] = {
    **dict.fromkeys(("title", "message", "cause", "fix"), str),
    **dict.fromkeys(("upstream", "recipe"), (str, type(None))),
    **dict.fromkeys(("location", "via"), (Location, type(None))),
    "count": int,
    "cost": Cost,
    "evidence": tuple,
    "also": tuple,
}


@dataclass(frozen=True)
class Found:
    """The result of all checks."""

    findings: tuple[Finding, ...]
    skipped: tuple[tuple[str, str], ...]
    """(code, reason) of what could not be checked: never counted as a pass."""
    problem: str
    """Why nothing is proven, as a sentence, if a check could not be run; empty if all of them were."""


def run_checks(checks: Iterable[Check], seen: AnalysisContext, unusable: Iterable[tuple[str, str]] = ()) -> Found:
    """Runs the checks. An error in one of them, or in a plug-in, does not hide the findings of the others."""
    findings: list[Finding] = []
    skipped = [*unusable]
    ours: list[str] = []
    others = [f"{name} ({plugin_of(name)})" for name, _ in skipped]
    for check in checks:
        try:
            for finding in check.detect(seen):
                findings.append(_checked(check, finding))
            skipped += [(check.code, reason) for need in check.needs for reason in need(seen.evidence)]
        except DoctorError as error:  # recipes of the user or of a plug-in that cannot be read
            skipped.append((check.code, f"{error} {error.hint}".strip()))
            others.append(check.code)
        except (Exception, SystemExit) as error:  # listed, and such a report is never HEALTHY
            skipped.append((check.code, f"it raised {type(error).__name__}: {error}"))
            plugin = plugin_of(check.code)
            (others if plugin else ours).append(f"{check.code} ({plugin})" if plugin else check.code)
    findings.sort(key=_order)
    if any(finding.facts.target_fails for finding in findings):
        dropped = [one for one in findings if not (one.is_outcome or one.facts.from_source)]
        findings = [one for one in findings if one.is_outcome or one.facts.from_source]
        codes = sorted({one.code for one in dropped})
        skipped += [(code, "the target fails without torch.compile too") for code in codes]
    return Found(_with_recipes(findings, seen), tuple(sorted(skipped)), _problem(ours, others))


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The order in which findings are listed."""
    return tuple(sorted(findings, key=_order))


def _with_recipes(findings: list[Finding], seen: AnalysisContext) -> tuple[Finding, ...]:
    called = [one.site for one in seen.attention]
    try:
        return tuple(with_recipe(one, seen.evidence.environment, called, seen.own_sources) for one in findings)
    except DoctorError:  # a check that reads the recipes too is listed with the error
        return tuple(findings)


def _problem(ours: Sequence[str], others: Sequence[str]) -> str:
    """One sentence about the checks that could not be run: defects of compile-doctor should be reported to it."""
    if ours:
        plural = "A check" if len(ours) == 1 else "Checks"
        return f"{plural} of compile-doctor raised an error: {', '.join(ours)}. Report it with the output of -v."
    plural = "A check" if len(others) == 1 else "Checks"
    return f"{plural} could not be run: {', '.join(others)}. -v shows the reasons." if others else ""


def _checked(check: Check, finding: Finding) -> Finding:
    """Raises ValueError for a finding that cannot be shown: that of a plug-in may be anything."""
    if not isinstance(finding, Finding) or finding.code != check.code:
        raise ValueError(f"it made {finding!r:.200}, which is not a finding of {check.code}")
    for name, kind in _TYPES.items():
        value = getattr(finding, name)
        if not isinstance(value, kind):
            raise ValueError(f"it made a finding whose {name} is {value!r:.200}")
    for name, known in (("severity", SEVERITIES), ("owner", OWNERS)):
        if getattr(finding, name) not in known:
            raise ValueError(f"it made a finding whose {name} is {getattr(finding, name)!r:.200}")
    return finding


def _order(finding: Finding) -> tuple[Any, ...]:
    """Outcomes first, then by severity; then the user's own code first, and the highest cost."""
    place = (finding.location.file, finding.location.line) if finding.location else ("", 0)
    return (
        not finding.is_outcome,
        SEVERITIES.index(finding.severity),
        not finding.facts.compares_ranks,  # what one rank does alone stops all others
        OWNERS.index(finding.owner),
        finding.facts.category not in ("attention", "float8"),  # gigabytes matter more than seconds
        finding.facts.consequence,  # after its cause
        finding.late,
        -finding.cost.graphs,
        -finding.count,
        place,
        finding.code,
    )

"""Every check over the evidence: what they found, worst first, and what could not be checked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from compile_doctor.analysis.context import Seen
from compile_doctor.checks import plugin_of
from compile_doctor.checks.base import Check
from compile_doctor.model.findings import OWNERS, SEVERITIES, Finding


@dataclass(frozen=True)
class Found:
    """What the checks make of the evidence."""

    findings: tuple[Finding, ...]
    skipped: tuple[tuple[str, str], ...]
    """(code, reason) of what could not be checked: never counted as a pass."""
    problem: str
    """Why nothing is proven, in a sentence, if a check could not be asked; empty if each of them was."""


def run_checks(checks: Iterable[Check], seen: Seen, unusable: Iterable[tuple[str, str]] = ()) -> Found:
    """One check's mistake, or a plug-in's, hides nothing that the others found."""
    findings: list[Finding] = []
    skipped = [*unusable]
    failed = [name for name, _ in skipped]
    for check in checks:
        try:
            for finding in check.detect(seen):
                findings.append(_checked(check, finding))
            skipped += [(check.code, reason) for need in check.needs for reason in need(seen.evidence)]
        except Exception as error:  # listed, and such a report is never HEALTHY
            skipped.append((check.code, f"it failed on this evidence: {type(error).__name__}: {error}"))
            failed.append(check.code)
    findings.sort(key=_order)
    if any(finding.facts.target_fails for finding in findings):
        dropped = [one for one in findings if not (one.is_outcome or one.facts.from_source)]
        findings = [one for one in findings if one.is_outcome or one.facts.from_source]
        codes = sorted({one.code for one in dropped})
        skipped += [(code, "not judged: the target fails without torch.compile too") for code in codes]
    return Found(tuple(findings), tuple(sorted(skipped)), _problem(failed))


def _problem(failed: Iterable[str]) -> str:
    """Ours are to be reported to us, a plug-in's to its authors."""
    own = [code for code in failed if not plugin_of(code)]
    if own:
        plural = "A check" if len(own) == 1 else "Checks"
        return f"{plural} of compile-doctor failed on this evidence: {', '.join(own)}. Please report it (-v)."
    others = [f"{name} ({plugin_of(name)})" for name in failed]
    plural = "A plug-in's check" if len(others) == 1 else "Checks of plug-ins"
    return f"{plural} could not be asked: {', '.join(others)}; -v has the reasons." if others else ""


def _checked(check: Check, finding: Finding) -> Finding:
    """Raises ValueError for a finding that no report could show: `check.finding` makes those that can be."""
    if finding.code != check.code or finding.severity not in SEVERITIES or finding.owner not in OWNERS:
        made = f"{finding.code}, severity {finding.severity!r}, owner {finding.owner!r}"
        raise ValueError(f"it made a finding of {made}")
    return finding


def _order(finding: Finding) -> tuple[Any, ...]:
    """Outcomes first, then the worst; of those, the user's own, and what costs most."""
    place = (finding.location.file, finding.location.line) if finding.location else ("", 0)
    return (
        not finding.is_outcome,
        SEVERITIES.index(finding.severity),
        OWNERS.index(finding.owner),
        finding.facts.category not in ("attention", "float8"),  # gigabytes come before seconds
        finding.facts.consequence,  # after its cause
        finding.late,
        -finding.cost.graphs,
        -finding.count,
        place,
        finding.code,
    )

"""What the evidence and the findings come to: the verdict with its reason, and the exit code."""

from __future__ import annotations

from compile_doctor.analysis.root_cause import root_cause
from compile_doctor.model.evidence import Child, Evidence
from compile_doctor.model.findings import SEVERITIES, Finding
from compile_doctor.report import proof
from compile_doctor.report.report import Report
from compile_doctor.report.required import is_refuted


def exit_code(report: Report, fail_on: str) -> int:
    """0, 1, 2 or 3 of the contract; `fail_on` is `error`, `warning` or `never`."""
    if report.damaged:
        return 3
    outcomes = [finding.facts for finding in report.findings if finding.is_outcome]
    for facts in outcomes:
        if facts.category == "target" and facts.exit_code:
            return facts.exit_code
    bad = [
        f for f in report.findings if fail_on != "never" and SEVERITIES.index(f.severity) <= SEVERITIES.index(fail_on)
    ]
    if report.require_fused and any(entry.verdict in ("dense", "mixed") for entry in report.attention):
        return 1
    if is_refuted(report.require_fused, report.require_cudagraphs, report.findings):
        return 1
    if report.verdict == "inconclusive":
        return next((facts.exit_code for facts in outcomes if facts.exit_code), 3)
    return 1 if bad else 0


def verdict_of(evidence: Evidence, findings: tuple[Finding, ...], missing: tuple[str, ...]) -> tuple[str, str]:
    """(`healthy`, `unhealthy` or `inconclusive`, the reason in one sentence); before what was required is looked at."""
    if evidence.damage:
        return "inconclusive", sentence(f"The capture is damaged: {evidence.damage[0]}")
    outcome = next((finding for finding in findings if finding.is_outcome), None)
    failed = next(
        (child for child in evidence.children if child.mode == "command" and (child.exit_code or child.signal)), None
    )
    if outcome:
        return "inconclusive", outcome.title + (f"; the command failed ({_how(failed)})." if failed else ".")
    interrupted = next((child for child in evidence.children if child.ended == "interrupted"), None)
    if interrupted:
        return "inconclusive", "The run was interrupted before it finished."
    early = proof.left_early(evidence)
    if early:
        return "inconclusive", sentence(early)
    if any(finding.severity == "error" for finding in findings):
        return "unhealthy", ""
    if failed:
        return "inconclusive", _command_failed(evidence, failed)
    if evidence.facts.probe_error:
        return "inconclusive", sentence(f"the probe of compile-doctor failed: {_last_line(evidence.facts.probe_error)}")
    if any(child.mode != "command" and child.exit_code not in (0, None) for child in evidence.children):
        limit = evidence.asked.settings.memory_limit
        allowed = f" It was limited to {limit:,} bytes (--memory-limit)." if limit else ""
        return "inconclusive", "The process ended early." + allowed
    return ("inconclusive", sentence(missing[0])) if missing else ("healthy", "")


def _command_failed(evidence: Evidence, child: Child) -> str:
    """What is known of a command that failed by itself: how, with which exception, and whether it compiled anything."""
    raised = evidence.failure("compiled")
    cause = root_cause(raised, evidence.environment.get("torch_root")) if raised else None
    at = f" ({cause.frame.file}:{cause.frame.line})" if cause and cause.frame else ""
    why = f": {cause.type}: {cause.words}{at}" if cause else ""
    if not any(one.graphs for one in evidence.compilations):
        return sentence(f"The command failed ({_how(child)}) before anything was compiled{why}")
    return sentence(f"The command failed ({_how(child)}){why}") + " The report shows what it did until then."


def sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2][:200]


def _how(child: Child) -> str:
    return child.signal or f"exit status {child.exit_code}"

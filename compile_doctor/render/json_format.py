"""The report as JSON, schema compile-doctor/report/1: for machines."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from compile_doctor.attention_report import AttentionEntry
from compile_doctor.clean import cleaned
from compile_doctor.evidence import Patch
from compile_doctor.explain import upstream_url
from compile_doctor.findings import Finding, Location
from compile_doctor.gate import Change, Gate, Outcome
from compile_doctor.report import Report, relative
from compile_doctor.trial import Trial

SCHEMA = "compile-doctor/report/1"


@cleaned
def render(report: Report, verbosity: int = 0, colour: bool = False) -> str:
    return json.dumps(as_dict(report), indent=2) + "\n"


def as_dict(report: Report) -> dict[str, Any]:
    report = relative(report)
    return {
        "schema": SCHEMA,
        "target": report.target,
        "verdict": report.verdict,
        "reason": report.reason,
        "environment": dict(report.environment),
        "convention": report.convention,
        "summary": dict(report.summary),
        "findings": [finding_as_dict(finding) for finding in report.findings],
        "attention": [_attention(entry) for entry in report.attention],
        "skipped_checks": [{"code": code, "reason": reason} for code, reason in report.skipped_checks],
        "unknown_events": dict(report.unknown_events),
        "disagreements": list(report.disagreements),
        "notes": list(report.notes),
        "patches": [_patch(one) for one in report.patches],
        "trial": _trial(report.trial) if report.trial else None,
        "timings": {f"{name}_seconds": value for name, value in report.timings.items()},
        "max_difference": report.max_difference,
        "numerics": [asdict(one) for one in report.numerics],
        "not_compared": report.not_compared,
    }


GATE_SCHEMA = "compile-doctor/check/1"


@cleaned
def render_gate(gate: Gate, verbosity: int = 0, colour: bool = False) -> str:
    """One document for `check`; `-v` puts each target's whole report in."""
    document = {
        "schema": GATE_SCHEMA,
        "torch": gate.torch,
        "device": gate.device,
        "exit_code": gate.exit_code,
        "targets": [_outcome(outcome, verbosity) for outcome in gate.outcomes],
        "notes": list(gate.notes),
    }
    return json.dumps(document, indent=2) + "\n"


def _outcome(outcome: Outcome, verbosity: int) -> dict[str, Any]:
    return {
        "name": outcome.name,
        "status": outcome.status,
        "reason": outcome.reason or None,
        "worse": [_change(one, outcome) for one in outcome.worse],
        "better": [_change(one, outcome) for one in outcome.better],
        "cached": outcome.cached,
        "hint": outcome.hint or None,
        "report": as_dict(outcome.report) if verbosity and outcome.report else None,
    }


def _change(change: Change, outcome: Outcome) -> dict[str, Any]:
    return {
        "kind": change.kind,
        "text": change.text,
        "finding": finding_as_dict(change.finding) if change.finding else None,
        "waived": change.waived or None,
    }


def _patch(patch: Patch) -> dict[str, Any]:
    return {"id": patch.id, "state": patch.state, "reason": patch.reason or None}


def _trial(trial: Trial) -> dict[str, Any]:
    def pair(values: tuple[Any, Any]) -> dict[str, Any]:
        return {"before": values[0], "after": values[1]}

    return {
        "recipes": [_patch(one) for one in trial.recipes],
        "verdict": pair(trial.verdict),
        "gone": [finding_as_dict(one) for one in trial.gone],
        "new": [finding_as_dict(one) for one in trial.new],
        "attention": [{"place": place, **pair((old, new))} for place, old, new in trial.attention],
        "max_difference": pair(trial.max_difference),
        "compile_seconds": pair(trial.compile_seconds),
    }


def finding_as_dict(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": finding.severity,
        "title": finding.title,
        "message": finding.message,
        "location": _location(finding.location),
        "via": _location(finding.via),
        "owner": finding.owner,
        "count": finding.count,
        "cause": finding.cause,
        "upstream": {"id": finding.upstream, "url": upstream_url(finding.upstream)} if finding.upstream else None,
        "fix": finding.fix,
        "recipe": finding.recipe,
        "cost": {"graphs": finding.cost.graphs, "seconds": round(finding.cost.seconds, 2)},
        "evidence": list(finding.evidence),
    }


def _attention(entry: AttentionEntry) -> dict[str, Any]:
    return {
        "location": _location(entry.location),
        "owner": entry.owner,
        "api": entry.api,
        "verdict": entry.verdict,
        "kernel": entry.kernel,
        "backend": entry.backend,
        "tokens": entry.tokens,
        "q_shape": list(entry.q_shape) if entry.q_shape is not None else None,
        "kv_shape": list(entry.kv_shape) if entry.kv_shape is not None else None,
        "dtype": entry.dtype,
        "device": entry.device,
        "peak_bytes": entry.peak_bytes,
        "dense_bytes": entry.dense_bytes,
        "evidence": {"lowered": entry.lowered, "executed": entry.executed, "bounded": entry.bounded},
        "reason": entry.reason,
        "reasons": entry.reasons,
        "ladder": [
            {
                "tokens": step.tokens,
                "ran": step.ran,
                "verdict": step.verdict,
                "peak_bytes": step.peak,
                "dense_bytes": step.dense,
                "fused_bytes": step.fused,
                "reason": step.reason,
            }
            for step in entry.ladder
        ],
    }


def _location(location: Location | None) -> dict[str, Any] | None:
    if location is None:
        return None
    return {"file": location.file, "line": location.line, "function": location.function, "snippet": location.snippet}

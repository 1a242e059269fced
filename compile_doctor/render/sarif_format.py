"""The report as SARIF 2.1.0: one run, a rule for each check, a result for each finding.

Written by hand: it needs a small part of SARIF, and the tests check it with sarif-pydantic and the schema of OASIS.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from compile_doctor import __version__
from compile_doctor.checks import all_checks
from compile_doctor.clean import cleaned
from compile_doctor.gate.outcome import Gate
from compile_doctor.model.findings import Location
from compile_doctor.render.entries import INCONCLUSIVE, Entry, Target, body, cut, fingerprints
from compile_doctor.render.subjects import targets
from compile_doctor.report.explain import upstream_url
from compile_doctor.report.report import Report

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}
_ROOT = "%SRCROOT%"
_DESCRIPTION, _SNIPPET = 1000, 2000
"""GitHub accepts descriptions of up to 1,024 characters."""


@cleaned
def render(report: Report, verbosity: int = 0, colour: bool = False) -> str:
    shown = targets(report)
    return _log(shown, f"compile-doctor/{shown[0].name}", _seen(report), gate=False)


@cleaned
def render_gate(gate: Gate, verbosity: int = 0, colour: bool = False) -> str:
    return _log(targets(gate), "compile-doctor/check", list(gate.notes), gate=True)


def _log(shown: tuple[Target, ...], automation: str, notes: list[str], gate: bool) -> str:
    # GitHub rejects the whole file for one result without a file: a missing verdict is a notification, not a result.
    entries = [entry for target in shown for entry in target.entries if entry.kind != INCONCLUSIVE]
    rules = _rules(entries)
    index = {rule["id"]: number for number, rule in enumerate(rules)}
    prints = fingerprints(entries)
    open_targets = [target for target in shown if target.status == INCONCLUSIVE]
    named = [f"{target.name}: {target.reason or 'there is no verdict'}" for target in open_targets]
    notifications = [("error", text) for text in named] + [("note", text) for text in notes]
    run = {
        "tool": {
            "driver": {
                "name": "compile-doctor",
                "version": __version__,
                "semanticVersion": __version__,
                "rules": rules,
            }
        },
        "automationDetails": {"id": automation + "/"},  # GitHub distinguishes uploads by what is before the last slash
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The directory in which compile-doctor was run."}}},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": not open_targets,
                "toolExecutionNotifications": [
                    {"level": level, "message": message(text)} for level, text in notifications
                ],
            }
        ],
        "results": [
            _result(entry, index[entry.finding.code], prints[number], gate) for number, entry in enumerate(entries)
        ],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rules(entries: list[Entry]) -> list[dict[str, Any]]:
    """All checks; then the other changes of the gate that occur."""
    found = []
    for check in all_checks():
        first = " ".join(check.explanation.split("\n\n")[0].split())
        rule = _rule(check.code, check.name, check.summary, check.severity or "error")
        rule["fullDescription"] = {"text": cut(first, _DESCRIPTION)}
        text = check.explanation.strip()
        rule["help"] = {"text": text, "markdown": f"**{check.code} {check.name}**: {check.summary}\n\n{text}\n"}
        found.append(rule)
    known = {rule["id"] for rule in found}
    others = {entry.finding.code: entry.finding for entry in reversed(entries) if entry.finding.code not in known}
    for code, finding in sorted(others.items()):
        what = code.removeprefix("gate-").replace("-", " ")
        found.append(_rule(code, finding.name or code, f"Compared with the baseline: {what}.", "error"))
    return found


def _rule(code: str, name: str, summary: str, severity: str) -> dict[str, Any]:
    return {
        "id": code,
        "name": name,
        "shortDescription": {"text": summary},
        "defaultConfiguration": {"level": _LEVELS[severity]},
    }


def _result(entry: Entry, rule: int, fingerprint: str, gate: bool) -> dict[str, Any]:
    finding = entry.finding
    found: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": rule,
        "level": _LEVELS[entry.level],
        "message": message(body(entry)),
        "partialFingerprints": {"compileDoctor/v1": fingerprint},
        "properties": _properties(entry),
    }
    # GitHub rejects the whole file for one result without a physical location: use the target's file then.
    placed = finding.location and not finding.location.file.startswith("<")
    found["locations"] = [location(finding.location if placed and finding.location else Location(entry.path, 0, ""))]
    related = [(finding.via, "called from here")] if finding.via else []
    related += [(place, "breaks too, because of it") for place in finding.also]
    related = [(place, text) for place, text in related if not place.file.startswith("<")]
    if related:
        found["relatedLocations"] = [{**location(place), "message": {"text": text}} for place, text in related]
    if gate:
        # The standard wants `suppressions` on all results or on none.
        if entry.kind != "uncompared":
            found["baselineState"] = "unchanged" if entry.kind == "known" else "new"
        waiver = {"kind": "external", "status": "accepted", "justification": entry.note}
        found["suppressions"] = [waiver] if entry.kind == "waived" else []
    return found


def _properties(entry: Entry) -> dict[str, Any]:
    finding = entry.finding
    upstream = f"{finding.upstream} {upstream_url(finding.upstream)}" if finding.upstream else None
    values = {
        "target": entry.target,
        "owner": finding.owner,
        "count": finding.count,
        "cause": finding.cause,
        "upstream": upstream,
        "recipe": finding.recipe,
    }
    return {name: value for name, value in values.items() if value}


def message(text: str) -> dict[str, str]:
    """`[text](target)` is a link in a SARIF message: a space prevents that for code that looks like one."""
    return {"text": text.replace("](", "] (")}


def location(place: Location) -> dict[str, Any]:
    uri = quote(place.file, safe="/")
    artifact = {"uri": f"file://{uri}"} if uri.startswith("/") else {"uri": uri, "uriBaseId": _ROOT}
    physical: dict[str, Any] = {"artifactLocation": artifact}
    if place.line >= 1:
        snippet = {"snippet": {"text": cut(place.snippet, _SNIPPET)}} if place.snippet else {}
        physical["region"] = {"startLine": place.line, **snippet}
    found: dict[str, Any] = {"physicalLocation": physical}
    if place.function:
        name = place.function
        found["logicalLocations"] = [{"name": name.rpartition(".")[2], "fullyQualifiedName": name, "kind": "function"}]
    return found


def _seen(report: Report) -> list[str]:
    """Notes for the reader of the results, including checks that were skipped: those have not passed."""
    skipped = [f"{code} not checked: {reason}" for code, reason in report.skipped_checks]
    return [*report.notes, *skipped]

"""Converts a report or a gate to targets with their entries, with relative paths."""

from __future__ import annotations

import re
from dataclasses import replace

from compile_doctor.gate.outcome import Change, Gate, Outcome
from compile_doctor.model.findings import Finding, Location
from compile_doctor.render.changes import grouped
from compile_doctor.render.consequence import consequence
from compile_doctor.render.entries import CONFIGURATION, INCONCLUSIVE, Entry, Target, identity
from compile_doctor.report.relative import relative
from compile_doctor.report.report import Report


def targets(subject: Report | Gate) -> tuple[Target, ...]:
    """The targets; never empty: a gate that checked nothing is inconclusive."""
    if isinstance(subject, Report):
        return (_of_report(subject),)
    found = tuple(_of_outcome(outcome) for outcome in subject.outcomes)
    return found or (_of_outcome(Outcome("check", INCONCLUSIVE, "No target was checked.", None)),)


def _of_report(report: Report) -> Target:
    report = _tidy(report)
    status = {"healthy": "passed", "unhealthy": "failed"}.get(report.verdict, INCONCLUSIVE)
    path = _file(report)
    reason = consequence(report)
    found = [Entry(finding, "finding", finding.severity, path=path) for finding in report.findings]
    if status == INCONCLUSIVE and not any(finding.is_outcome for finding in report.findings):
        found.insert(0, _made(INCONCLUSIVE, INCONCLUSIVE, reason or "There is no verdict.", path=path))
    return Target(report.target, status, report.verdict, reason, tuple(found), report)


def _of_outcome(outcome: Outcome) -> Target:
    """An unknown status is inconclusive, not a pass."""
    known = {"regression": "failed", "pass": "passed", "better": "passed"}
    status = known.get(outcome.status, INCONCLUSIVE)
    report = _tidy(outcome.report) if outcome.report else None
    name, reason, path = outcome.name, _text(outcome.reason, outcome.report), CONFIGURATION
    worse = _tidy_changes(outcome.worse, outcome.report)
    if report:
        path = _file(report)
    found = _entries(report.findings if report else (), worse, name, path)
    if status == INCONCLUSIVE:  # it is unknown whether the baseline has them
        found = [replace(entry, kind="uncompared") if entry.kind == "known" else entry for entry in found]
        found.insert(0, _made(INCONCLUSIVE, INCONCLUSIVE, reason or "There is no verdict.", name, path))
    if status == "failed" and not any(entry.kind == "regression" for entry in found):
        found.insert(0, _made("gate-regression", "regression", reason or "It got worse.", name, path))
    better = _tidy_changes(outcome.better, outcome.report)
    shown = replace(outcome, worse=worse, better=better, hint=_text(outcome.hint, outcome.report))
    return Target(name, status, outcome.status, reason, tuple(found), report, shown)


def _entries(findings: tuple[Finding, ...], worse: tuple[Change, ...], name: str, path: str) -> list[Entry]:
    """Regressions, then what is waived, then the findings that the baseline knows."""
    exact: dict[Finding, list[int]] = {}
    alike: dict[tuple[str, ...], list[int]] = {}
    for index in reversed(range(len(findings))):
        exact.setdefault(findings[index], []).append(index)
        alike.setdefault(identity(findings[index]), []).append(index)
    meant: set[int] = set()
    entries = []
    for change, more in grouped(worse):
        kind = "waived" if change.waived else "regression"
        level = "info" if change.waived else "error"
        if change.finding is None:
            made = _made(f"gate-{change.kind}", kind, change.text, name, path, level, change.waived)
            entries.append(replace(made, finding=replace(made.finding, location=change.location)))
            continue
        found = change.finding
        for candidates in (exact.get(found, []), alike.get(identity(found), [])):
            while candidates and candidates[-1] in meant:
                candidates.pop()
            if candidates:
                meant.add(candidates[-1])
                found = findings[candidates.pop()]
                break
        # The entry has code and place already; but of several alike it is unknown which is new, and the text names all.
        new = change.text if " or " in change.text or not change.text.startswith("new: ") else "not in the baseline"
        note = change.waived or "; ".join([new, *(one.text for one in more)])
        entries.append(Entry(found, kind, level, name, path, note))
    entries.sort(key=lambda entry: entry.kind == "waived")
    rest = (finding for index, finding in enumerate(findings) if index not in meant)
    return entries + [Entry(finding, "known", "info", name, path) for finding in rest]


def _made(
    code: str, kind: str, text: str, target: str = "", path: str = CONFIGURATION, level: str = "error", note: str = ""
) -> Entry:
    # The target is the cause, which distinguishes it from the same change of another target. A number may vary.
    return Entry(Finding(code, "", level, text, "", cause=target), kind, level, target, path, note or text)


def _text(text: str, report: Report | None) -> str:
    prefix = (report.cwd.rstrip("/") if report else "") + "/"
    return text.replace(prefix, "") if len(prefix) > 1 else text


def _tidy(report: Report) -> Report:
    """Makes paths relative also in texts, which `relative` does not change: titles, fixes and the target's name."""
    moved = relative(report)
    findings = tuple(_tidy_finding(finding, report) for finding in moved.findings)
    attention = tuple(
        replace(
            entry,
            location=_tidy_place(entry.location),
            reason=_text(entry.reason, report),
            reasons={name: _text(reason, report) for name, reason in entry.reasons.items()},
        )
        for entry in moved.attention
    )
    return replace(
        moved,
        target=_text(report.target, report),
        reason=_text(report.reason, report),
        notes=tuple(_text(note, report) for note in report.notes),
        findings=findings,
        attention=attention,
    )


def _tidy_changes(changes: tuple[Change, ...], report: Report | None) -> tuple[Change, ...]:
    found = [change.finding for change in changes if change.finding]
    tidied = iter(_tidy(replace(report, findings=tuple(found), attention=())).findings if report else map(_bare, found))
    return tuple(
        replace(
            one,
            text=_text(one.text, report),
            finding=next(tidied) if one.finding else None,
            waived=_text(one.waived, report),
        )
        for one in changes
    )


def _bare(finding: Finding) -> Finding:
    return _tidy_finding(finding, None)


def _tidy_finding(finding: Finding, report: Report | None) -> Finding:
    return replace(
        finding,
        title=_text(finding.title, report),
        message=_text(finding.message, report),
        fix=_text(finding.fix, report),
        evidence=tuple(_text(line, report) for line in finding.evidence),
        location=_tidy_place(finding.location) if finding.location else None,
        via=_tidy_place(finding.via) if finding.via else None,
        also=tuple(map(_tidy_place, finding.also)),
    )


def _tidy_place(place: Location) -> Location:
    return replace(place, file=place.file.removeprefix("./"))


def _file(report: Report) -> str:
    """The file of a target, as far as its name shows it."""
    whole = re.fullmatch(r"(?:\./)?(.+\.py)(?::[\w.]+)?", report.target) if report.command_exit is None else None
    words = (re.match(r".*\.py(?![\w.])", word) for word in re.findall(r"[^\s:]+", report.target))
    inside = next(filter(None, words), None)
    if whole or inside:
        return whole[1] if whole else inside[0] if inside else CONFIGURATION
    module = re.fullmatch(r"((?!example:)[\w.]+):[\w.]+", report.target)
    return module[1].replace(".", "/") + ".py" if module else CONFIGURATION

"""A report against its baseline: what got worse, what got better, and what is waived."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

from compile_doctor import baseline
from compile_doctor.config import Configuration, GateTarget, Waiver
from compile_doctor.evidence import Evidence
from compile_doctor.findings import Finding
from compile_doctor.gate import Change, Outcome
from compile_doctor.report import OUTCOMES, Report, make_report, relative

_NAMES = {
    "graphs": "graphs",
    "ops_captured": "operators captured",
    "frames_skipped": "frames skipped",
    "recompiles": "recompilations",
}
_RANK = {"fused": 0, "unverified": 1, "mixed": 2, "dense": 3}


def judge(target: GateTarget, evidence: Evidence, configuration: Configuration, today: datetime.date) -> Outcome:
    """The outcome of a target that was run."""
    report = make_report(evidence)
    outcome = next((finding for finding in report.findings if finding.code in OUTCOMES), None)
    if outcome is not None or report.verdict == "inconclusive":
        return Outcome(target.name, "inconclusive", report.reason or "It could not be judged.", report)
    found = baseline.snapshot(target.name, report)
    path = baseline.path_of(configuration.baseline_dir, target.name, found["torch"], found["device"])
    known = baseline.load(path)
    update = f"compile-doctor baseline update {target.name}"
    if known is None:
        reason = f"There is no baseline for torch {found['torch']} on {found['device']}."
        return Outcome(target.name, "inconclusive", reason, report, hint=update)
    if known["settings"] != found["settings"]:
        reason = f"Its baseline was made with other settings: {known['settings']}, now {found['settings']}."
        return Outcome(target.name, "inconclusive", reason, report, hint=update)
    worse, better = compare(known, found, report, configuration)
    worse = [*worse, *_thresholds(target, report)]
    worse = [_waived(change, target.name, configuration.waivers, today) for change in worse]
    unproven = [entry for entry in report.attention if entry.verdict != "fused"] if target.require_fused else []
    dense = next((entry for entry in unproven if entry.verdict in ("dense", "mixed")), None)
    if dense is not None:
        place = f"{dense.location.file}:{dense.location.line}"
        worse.append(Change("attention", f"attention runs {dense.verdict} at {place} (require-fused)"))
    if any(not change.waived for change in worse):
        first = next(change for change in worse if not change.waived)
        return Outcome(target.name, "regression", _sentence(first.text), report, tuple(worse), tuple(better))
    if target.require_fused and (unproven or not report.attention):
        why = f": {unproven[0].reason}" if unproven and unproven[0].reason else ""
        return Outcome(target.name, "inconclusive", f"Attention is not proven to be fused{why}.", report)
    status = "better" if better else "pass"
    return Outcome(target.name, status, "", report, tuple(worse), tuple(better), hint=update if better else "")


def compare(
    known: dict[str, Any], found: dict[str, Any], report: Report, configuration: Configuration
) -> tuple[list[Change], list[Change]]:
    """(worse, better) of two snapshots; findings of others than the configured owners are neither."""
    worse: list[Change] = []
    better: list[Change] = []
    gone, new = baseline.differences(known["findings"], found["findings"])
    by_identity = {baseline.text_of(baseline.identity(finding)): finding for finding in relative(report).findings}
    for entry in new:
        if entry["owner"] in configuration.owners and not _is_info(entry, by_identity):
            finding = by_identity.get(baseline.text_of(entry))
            worse.append(Change("finding", f"new: {_named(entry, finding)}", finding))
    better += [
        Change("finding", f"gone: {_named(entry, None)}") for entry in gone if entry["owner"] in configuration.owners
    ]
    # A finding of somebody else's moves the figures too, and is not this pull request's fault.
    others = [entry for entry in (*new, *gone) if entry["owner"] not in configuration.owners]
    if not others:
        for key, words in _NAMES.items():
            before, after = known["summary"][key], found["summary"][key]
            if before != after:
                grew = after > before if key != "ops_captured" else after < before
                change = Change(key.replace("_", "-"), f"{after} {words}, {before} in the baseline")
                # More operators are more code, and nothing better; a break that is gone takes its own with it.
                if key != "ops_captured" or (grew and not better):
                    (worse if grew else better).append(change)
    _compare_attention(known["attention"], found["attention"], worse, better)
    return worse, better


def _is_info(entry: dict[str, Any], findings: dict[str, Finding]) -> bool:
    finding = findings.get(baseline.text_of(entry))
    return finding is not None and finding.severity == "info"


def _compare_attention(
    known: Sequence[dict[str, Any]], found: Sequence[dict[str, Any]], worse: list[Change], better: list[Change]
) -> None:
    def key(entry: dict[str, Any]) -> tuple[Any, ...]:
        return (entry["file"], entry["function"], entry["api"], entry["number"])

    before = {key(entry): entry["verdict"] for entry in known}
    for entry in found:
        was, now = before.get(key(entry)), entry["verdict"]
        if was is not None and was != now:
            text = f"attention in {entry['function']} ({entry['file']}) is {now}, was {was}"
            (worse if _RANK[now] > _RANK[was] else better).append(Change("attention", text))
        elif was is None and now in ("dense", "mixed"):
            worse.append(Change("attention", f"attention in {entry['function']} ({entry['file']}) is {now}, and new"))


def _thresholds(target: GateTarget, report: Report) -> list[Change]:
    found = []
    seconds = float(report.summary["compile_seconds"])
    if target.max_compile_seconds is not None and seconds > target.max_compile_seconds:
        found.append(Change("threshold", f"{seconds:.1f} s of compile time, {target.max_compile_seconds:g} s allowed"))
    peak = max((entry.peak_bytes or 0 for entry in report.attention), default=0)
    if target.max_peak_bytes is not None and peak > target.max_peak_bytes:
        found.append(Change("threshold", f"attention took {peak:,} bytes, {target.max_peak_bytes:,} allowed"))
    return found


def _waived(change: Change, name: str, waivers: Sequence[Waiver], today: datetime.date) -> Change:
    finding = change.finding
    if finding is None:
        return change
    for waiver in waivers:
        if covers(waiver, name, finding) and waiver.expires >= today:
            return Change(change.kind, change.text, finding, waiver.reason)
    return change


def covers(waiver: Waiver, name: str, finding: Finding) -> bool:
    """Whether a waiver is about a finding: its code, and its file or function."""
    if waiver.code != finding.code or (waiver.target and waiver.target != name):
        return False
    place = finding.location
    return place is not None and waiver.place in (place.file, f"{place.file}:{place.function}")


def waiver_notes(configuration: Configuration, outcomes: Sequence[Outcome], today: datetime.date) -> list[str]:
    """The waivers that have expired, and those that cover nothing any more."""
    notes = []
    for waiver in configuration.waivers:
        said = f"the waiver of {waiver.code} at {waiver.place}"
        if waiver.expires < today:
            notes.append(f"{said} expired on {waiver.expires}")
        reports = [(one.name, relative(one.report)) for one in outcomes if one.report is not None]
        if not any(covers(waiver, name, finding) for name, report in reports for finding in report.findings):
            notes.append(f"{said} covers nothing any more")
    return notes


def _named(entry: dict[str, Any], finding: Finding | None) -> str:
    where = f"{entry['file']}" + (f":{finding.location.line}" if finding and finding.location else "")
    title = f" {finding.name}" if finding else ""
    return f"{entry['code']}{title} in {entry['function'] or 'the target'} ({where})"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."

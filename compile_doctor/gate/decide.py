"""What the gate makes of a target that was run: its report, its baseline, and what is waived."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from compile_doctor.checks import find_check
from compile_doctor.errors import InconclusiveError
from compile_doctor.gate import baseline, baseline_files, regressions
from compile_doctor.gate.config import Configuration, GateTarget, Waiver
from compile_doctor.gate.outcome import Change, Outcome
from compile_doctor.model.evidence import Evidence
from compile_doctor.model.findings import Finding
from compile_doctor.report.make import Report, make_report, relative


def judge(target: GateTarget, evidence: Evidence, configuration: Configuration, today: datetime.date) -> Outcome:
    """The outcome of a target that was run."""
    report = make_report(evidence)
    # What --require-fused could not prove comes last: a regression beside it is reported first.
    undecided = why_undecided(report)
    if undecided and not (report.unproven and undecided == report.unproven):
        return Outcome(target.name, "inconclusive", undecided, report)
    found = baseline.snapshot(target.name, report)
    update = f"compile-doctor baseline update {target.name}"
    try:
        known = baseline_files.load(
            baseline_files.find(configuration.baseline_dir, target.name, found.torch, found.device)
        )
    except InconclusiveError as error:
        return Outcome(target.name, "inconclusive", f"Its baseline: {error}", report, hint=update)
    if known is None:
        return without_baseline(target, found.torch, found.device, report)
    other = baseline.foreign(known, found)
    if other:
        return Outcome(target.name, "inconclusive", f"Its baseline is another one's: {other}.", report, hint=update)
    if known.settings != found.settings:
        reason = f"Its baseline was made with other settings: {baseline.differing(known.settings, found.settings)}."
        return Outcome(target.name, "inconclusive", reason, report, hint=update)
    standing = [waiver for waiver in configuration.waivers if waiver.expires >= today]

    def waived(finding: Finding) -> str:
        return next((waiver.reason for waiver in standing if covers(waiver, target.name, finding)), "")

    worse, better = regressions.compare(known, found, report, configuration.owners, waived)
    worse += _thresholds(target, report)
    dense = next((entry for entry in report.attention if entry.verdict in ("dense", "mixed")), None)
    if dense is not None and target.require_fused:
        place = f"{dense.location.file}:{dense.location.line}"
        worse.append(Change("attention", f"attention runs {dense.verdict} at {place} (require-fused)"))
    if any(not change.waived for change in worse):
        first = next(change for change in worse if not change.waived)
        limits = target.require_fused or any(change.kind == "threshold" for change in worse)
        meant = "" if limits else update  # no baseline makes good what the configuration asks for
        return Outcome(
            target.name, "regression", _sentence(first.text), report, tuple(worse), tuple(better), hint=meant
        )
    unproven = report.unproven or _unmeasured(target, report, evidence) or undecided
    if unproven:
        return Outcome(target.name, "inconclusive", unproven, report)
    status = "better" if better else "pass"
    return Outcome(target.name, status, "", report, tuple(worse), tuple(better), hint=update if better else "")


def why_undecided(report: Report) -> str:
    """Why a report is neither compared nor written down, whatever its findings are; empty if it may be.

    An unhealthy one that lost evidence is no base either: what is lost may be graphs and findings.
    """
    if report.verdict not in ("healthy", "unhealthy"):
        return report.reason or "It could not be judged."
    return _sentence(f"evidence is missing: {report.lost[0]}") if report.lost else ""


def without_baseline(target: GateTarget, torch: str, device: str | None, report: Report | None = None) -> Outcome:
    """The outcome of a target that nobody has written down for this torch, which need not be run to say so."""
    where = f" on {device}" if device else ""
    reason = f"There is no baseline for torch {baseline.minor(torch)}{where}."
    return Outcome(target.name, "inconclusive", reason, report, hint=f"compile-doctor baseline update {target.name}")


def _thresholds(target: GateTarget, report: Report) -> list[Change]:
    found = []
    seconds = float(report.summary["compile_seconds"])
    if target.max_compile_seconds is not None and seconds > target.max_compile_seconds:
        found.append(Change("threshold", f"{seconds:.1f} s of compile time, {target.max_compile_seconds:g} s allowed"))
    peak = max((entry.peak_bytes or 0 for entry in report.attention), default=0)
    if target.max_peak_bytes is not None and peak > target.max_peak_bytes:
        found.append(Change("threshold", f"attention took {peak:,} bytes, {target.max_peak_bytes:,} allowed"))
    return found


def _unmeasured(target: GateTarget, report: Report, evidence: Evidence) -> str:
    """Which limit of the target nothing was measured against; empty if there is none."""
    if target.max_compile_seconds is not None and all(one.seconds is None for one in evidence.compilations):
        return "The compile time is not known (max-compile-seconds)."
    if target.max_peak_bytes is not None and all(entry.peak_bytes is None for entry in report.attention):
        return "The memory of no attention call was measured (max-peak-bytes)."
    return ""


def covers(waiver: Waiver, name: str, finding: Finding) -> bool:
    """Whether a waiver is about a finding: its code, and its file or function. Nothing covers a run that was not judged."""
    if finding.is_outcome or waiver.code != finding.code or (waiver.target and waiver.target != name):
        return False
    place = finding.location
    return place is not None and waiver.place in (place.file, f"{place.file}:{place.function}")


def waiver_notes(configuration: Configuration, outcomes: Sequence[Outcome], today: datetime.date) -> list[str]:
    """The waivers that have expired, and those that cover nothing any more."""
    notes = []
    # A target that did not come to its end has a report that lacks findings.
    reports = {one.name: relative(one.report) for one in outcomes if one.report and _is_whole(one.report)}
    for waiver in configuration.waivers:
        said = f"the waiver of {waiver.code} at {waiver.place}"
        if waiver.expires < today:
            notes.append(f"{said} expired on {waiver.expires}")
        about = [one.name for one in configuration.targets if waiver.target in ("", one.name)]
        if not all(name in reports and _could_tell(waiver, reports[name]) for name in about):
            continue  # what was not looked at may have what it covers
        if not any(covers(waiver, name, finding) for name in about for finding in reports[name].findings):
            notes.append(f"{said} covers nothing any more")
    return notes


def _is_whole(report: Report) -> bool:
    return not why_undecided(report) and not any(finding.is_outcome for finding in report.findings)


def _could_tell(waiver: Waiver, report: Report) -> bool:
    """Whether the run could have had the finding: backend eager shows what Dynamo does, and no more."""
    check = find_check(waiver.code)
    dynamos = check is not None and check.category in ("breaks", "frames", "recompiles")
    return dynamos or report.settings.get("backend") != "eager"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."

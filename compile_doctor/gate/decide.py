"""Decides the outcome of a target that was run, from its report, its baseline and the waivers."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence

from compile_doctor.checks import find_check
from compile_doctor.errors import InconclusiveError
from compile_doctor.gate import baseline, baseline_files, regressions
from compile_doctor.gate.config import Configuration
from compile_doctor.gate.config_tables import GateTarget, Waiver
from compile_doctor.gate.outcome import Change, Outcome
from compile_doctor.model.evidence import Evidence
from compile_doctor.model.findings import Finding
from compile_doctor.model.ranks import named
from compile_doctor.report.make import make_report
from compile_doctor.report.relative import relative
from compile_doctor.report.report import Report


def judge(target: GateTarget, evidence: Evidence, configuration: Configuration, today: datetime.date) -> Outcome:
    """The outcome of a target that was run."""
    report = make_report(evidence)
    # If --require-fused is not proven, a regression is still reported first.
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
        return Outcome(target.name, "inconclusive", f"The baseline cannot be used: {error}", report, hint=update)
    if known is None:
        return without_baseline(target, found.torch, found.device, report)
    other = baseline.foreign(known, found)
    if other:
        reason = f"The baseline belongs to another target, torch or device: {other}."
        return Outcome(target.name, "inconclusive", reason, report, hint=update)
    if known.settings != found.settings:
        reason = f"The baseline was made with other settings: {baseline.differing(known.settings, found.settings)}."
        return Outcome(target.name, "inconclusive", reason, report, hint=update)
    valid = [waiver for waiver in configuration.waivers if waiver.expires >= today]

    def waived(finding: Finding) -> str:
        return next((waiver.reason for waiver in valid if covers(waiver, target.name, finding)), "")

    worse, better = regressions.compare(known, found, report, configuration.owners, waived)
    worse += [*_thresholds(target, report), *_by_rank(target, report)]
    dense = next((entry for entry in report.attention if entry.verdict in ("dense", "mixed")), None)
    if dense is not None and target.require_fused:
        place = f"{dense.location.file}:{dense.location.line}"
        worse.append(Change("attention", f"attention runs {dense.verdict} at {place} (require-fused)"))
    by_hand = next((finding for finding in report.findings if finding.facts.dense), None)
    if by_hand is not None and target.require_fused:
        worse.append(
            Change("attention", f"attention keeps every score: {by_hand.message.split(',')[0]} (require-fused)")
        )
    outside = next((finding for finding in report.findings if finding.facts.uncaptured), None)
    if outside is not None and target.require_cudagraphs:
        worse.append(Change("cuda-graphs", f"{outside.title}: {outside.message} (require-cudagraphs)"))
    if any(not change.waived for change in worse):
        first = next(change for change in worse if not change.waived)
        limits = (
            target.require_fused or target.require_cudagraphs or any(change.kind == "threshold" for change in worse)
        )
        meant = "" if limits else update  # a new baseline does not change what the configuration requires
        return Outcome(
            target.name, "regression", _sentence(first.text), report, tuple(worse), tuple(better), hint=meant
        )
    unproven = report.unproven or _unmeasured(target, report, evidence) or undecided
    if unproven:
        return Outcome(target.name, "inconclusive", unproven, report)
    status = "better" if better else "pass"
    return Outcome(target.name, status, "", report, tuple(worse), tuple(better), hint=update if better else "")


def why_undecided(report: Report) -> str:
    """Why a report is neither compared nor stored as a baseline, whatever its findings are; empty if it may be.

    An unhealthy report that lost evidence is not used either: graphs and findings may be missing.
    """
    if report.verdict not in ("healthy", "unhealthy"):
        return report.reason or "The run was inconclusive."
    return _sentence(f"evidence is missing: {report.lost[0]}") if report.lost else ""


def without_baseline(target: GateTarget, torch: str, device: str | None, report: Report | None = None) -> Outcome:
    """The outcome of a target that has no baseline for this torch; it is known without running the target."""
    where = f" on {device}" if device else ""
    reason = f"There is no baseline for torch {baseline.minor(torch)}{where}."
    return Outcome(target.name, "inconclusive", reason, report, hint=f"compile-doctor baseline update {target.name}")


def _thresholds(target: GateTarget, report: Report) -> list[Change]:
    found = []
    seconds = float(report.summary["compile_seconds"])
    if target.max_compile_seconds is not None and seconds > target.max_compile_seconds:
        allowed = f"{target.max_compile_seconds:g} s"
        text = f"compile time of {seconds:.1f} s, at most {allowed} allowed (max-compile-seconds)"
        found.append(Change("threshold", text))
    peak = max((entry.peak_bytes or 0 for entry in report.attention), default=0)
    if target.max_peak_bytes is not None and peak > target.max_peak_bytes:
        text = f"attention used {peak:,} bytes, at most {target.max_peak_bytes:,} allowed (max-peak-bytes)"
        found.append(Change("threshold", text))
    return found


_COUNTED = {
    "max_graphs": ("graphs", "graph", "graphs"),
    "max_graph_breaks": ("graph_breaks", "graph break", "graph breaks"),
    "max_recompiles": ("recompiles", "recompilation", "recompilations"),
}
"""The limits on figures; with ranks, a figure of the summary is that of the rank with the most."""


def _by_rank(target: GateTarget, report: Report) -> Iterator[Change]:
    """What each rank may have, and whether all have to be alike."""
    for limit, (figure, one, several) in _COUNTED.items():
        allowed, found = getattr(target, limit), report.summary[figure]
        if allowed is not None and found > allowed:
            key = limit.replace("_", "-")
            where = f" on {_most(report, figure)}" if report.ranks else ""
            yield Change(
                "threshold", f"{found:,} {one if found == 1 else several}{where}, at most {allowed:,} allowed ({key})"
            )
    if target.same_on_all_ranks and report.ranks and report.ranks.diverge:
        yield Change("threshold", "the ranks do not do the same (same-on-all-ranks)")


def _most(report: Report, figure: str) -> str:
    """The ranks that have the most of it."""
    assert report.ranks is not None
    rows = [row for row in report.ranks.rows if row.figures and row.figures[figure] == report.summary[figure]]
    return named(sorted(number for row in rows for number in row.ranks), report.ranks.world_size)


def _unmeasured(target: GateTarget, report: Report, evidence: Evidence) -> str:
    """The reason why a limit of the target could not be checked; empty if all could be."""
    if target.max_compile_seconds is not None and all(one.seconds is None for one in evidence.compilations):
        return "The compile time was not measured, so max-compile-seconds could not be checked."
    seen = len(report.ranks.seen) if report.ranks else 1
    if target.ranks is not None and seen != target.ranks:
        return f"{seen:,} rank{'s' * (seen != 1)} left evidence, and {target.ranks:,} are expected (ranks)."
    if target.same_on_all_ranks and not report.ranks:
        return "No ranks were seen, so same-on-all-ranks could not be checked."
    if target.max_peak_bytes is not None and all(entry.peak_bytes is None for entry in report.attention):
        return "The memory of attention was not measured, so max-peak-bytes could not be checked."
    return ""


def covers(waiver: Waiver, name: str, finding: Finding) -> bool:
    """Whether a waiver covers a finding: its code, and its file or function. No waiver covers the outcome of a run."""
    if finding.is_outcome or waiver.code != finding.code or (waiver.target and waiver.target != name):
        return False
    place = finding.location
    return place is not None and waiver.place in (place.file, f"{place.file}:{place.function}")


def waiver_notes(configuration: Configuration, outcomes: Sequence[Outcome], today: datetime.date) -> list[str]:
    """Notes about waivers that have expired, and about those that no longer cover anything."""
    notes = []
    # The report of a target that did not finish lacks findings.
    reports = {one.name: relative(one.report) for one in outcomes if one.report and _is_whole(one.report)}
    for waiver in configuration.waivers:
        what = f"the waiver of {waiver.code} at {waiver.place}"
        if waiver.expires < today:
            notes.append(f"{what} expired on {waiver.expires}")
        about = [one.name for one in configuration.targets if waiver.target in ("", one.name)]
        if not all(name in reports and _could_tell(waiver, reports[name]) for name in about):
            continue  # a target without a complete report may have what the waiver covers
        if not any(covers(waiver, name, finding) for name in about for finding in reports[name].findings):
            notes.append(f"{what} no longer covers anything. Remove it")
    return notes


def _is_whole(report: Report) -> bool:
    return not why_undecided(report) and not any(finding.is_outcome for finding in report.findings)


def _could_tell(waiver: Waiver, report: Report) -> bool:
    """Whether the run could have had the finding: backend eager shows only what Dynamo does."""
    check = find_check(waiver.code)
    dynamos = check is not None and check.category in ("breaks", "frames", "recompiles")
    return dynamos or report.settings.get("backend") != "eager"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."

"""The report and the gate as JSON, schemas compile-doctor/report/1 and compile-doctor/check/1: for machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from compile_doctor.analysis.attention.entries import AttentionEntry
from compile_doctor.analysis.cuda_graph_entries import CudaGraphEntry
from compile_doctor.clean import cleaned
from compile_doctor.gate.outcome import Change, Gate, Outcome
from compile_doctor.mend.rewrites import fitting
from compile_doctor.model.evidence import Patch
from compile_doctor.model.findings import Finding, Location
from compile_doctor.model.ranks import ranges
from compile_doctor.render import (
    attention_document,
    check_document,
    document,
    finding_document,
    ranks_document,
    report_document,
    trial_document,
)
from compile_doctor.render.compile_time_json import compile_time, guards_of
from compile_doctor.report.by_rank import RankTable
from compile_doctor.report.explain import upstream_url
from compile_doctor.report.relative import relative
from compile_doctor.report.report import Report
from compile_doctor.report.trial import Trial
from compile_doctor.source.statements import statement_at


@cleaned
def render(report: Report, verbosity: int = 0, colour: bool = False) -> str:
    return document.as_text(as_dict(report))


def as_dict(report: Report) -> dict[str, Any]:
    return document.as_dict(report_of(report))


def report_of(report: Report) -> report_document.Report:
    report = relative(report)
    return report_document.Report(
        schema="compile-doctor/report/1",
        target=report.target,
        verdict=report.verdict,
        reason=report.reason,
        environment=dict(report.environment),
        convention=report.convention,
        summary=ranks_document.Summary(**report.summary),
        ranks=_ranks(report.ranks) if report.ranks else None,
        findings=tuple(finding_of(finding, report.sources) for finding in report.findings),
        attention=tuple(_attention(entry) for entry in report.attention),
        memory=attention_document.Memory(peak_bytes=max(0, *(size for _, size in report.memory)), points=report.memory)
        if report.memory
        else None,
        cuda_graphs=tuple(_cuda_graph(entry) for entry in report.cuda_graphs),
        guards=tuple(map(guards_of, report.guards)),
        compile_time=compile_time(report.timelines),
        not_recorded=dict(report.not_recorded),
        skipped_checks=tuple(
            report_document.SkippedCheck(code=code, reason=reason) for code, reason in report.skipped_checks
        ),
        unknown_events=dict(report.unknown_events),
        disagreements=report.disagreements,
        missing=report.missing,
        notes=report.notes,
        patches=tuple(_recipe(one) for one in report.patches),
        trial=_trial(report.trial) if report.trial else None,
        timings={f"{name}_seconds": value for name, value in report.timings.items()},
        max_difference=report.max_difference,
        numerics=tuple(report_document.Numeric(**asdict(one)) for one in report.numerics),
        not_compared=report.not_compared,
    )


@cleaned
def render_gate(gate: Gate, verbosity: int = 0, colour: bool = False) -> str:
    """One document for `check`; `-v` includes each target's full report."""
    found = check_document.Check(
        schema="compile-doctor/check/1",
        torch=gate.torch,
        device=gate.device,
        exit_code=gate.exit_code,
        targets=tuple(_outcome(outcome, verbosity) for outcome in gate.outcomes),
        notes=gate.notes,
    )
    return document.as_text(document.as_dict(found))


def _outcome(outcome: Outcome, verbosity: int) -> check_document.Outcome:
    return check_document.Outcome(
        name=outcome.name,
        status=outcome.status,
        reason=outcome.reason or None,
        worse=tuple(_change(one) for one in outcome.worse),
        better=tuple(_change(one) for one in outcome.better),
        cached=outcome.cached,
        hint=outcome.hint or None,
        report=report_of(outcome.report) if verbosity and outcome.report else None,
    )


def _change(change: Change) -> check_document.Change:
    return check_document.Change(
        kind=change.kind,
        text=change.text,
        finding=finding_of(change.finding) if change.finding else None,
        waived=change.waived or None,
    )


def _recipe(patch: Patch) -> trial_document.Recipe:
    return trial_document.Recipe(id=patch.id, state=patch.state, reason=patch.reason or None)


def _trial(trial: Trial) -> trial_document.Trial:
    def figures(values: tuple[float | None, float | None]) -> trial_document.Figures:
        return trial_document.Figures(before=values[0], after=values[1])

    return trial_document.Trial(
        recipes=tuple(_recipe(one) for one in trial.recipes),
        verdict=trial_document.Verdicts(before=trial.verdict[0], after=trial.verdict[1]),
        gone=tuple(finding_of(one) for one in trial.gone),
        new=tuple(finding_of(one) for one in trial.new),
        attention=tuple(
            trial_document.TrialAttention(place=place, before=old, after=new) for place, old, new in trial.attention
        ),
        max_difference=figures(trial.max_difference),
        compile_seconds=figures(trial.compile_seconds),
    )


def _span(place: Location | None, sources: Mapping[str, str]) -> finding_document.Span | None:
    found = statement_at(sources, place.file, place.line) if place else None
    names = ("first_line", "first_column", "last_line", "end_column")
    return finding_document.Span(**dict(zip(names, found))) if found else None


def finding_of(finding: Finding, sources: Mapping[str, str] | None = None) -> finding_document.Finding:
    """A finding, in the form that all documents share."""
    return finding_document.Finding(
        code=finding.code,
        name=finding.name,
        severity=finding.severity,
        title=finding.title,
        message=finding.message,
        location=_location(finding.location) if finding.location else None,
        via=_location(finding.via) if finding.via else None,
        also=tuple(map(_location, finding.also)),
        owner=finding.owner,
        count=finding.count,
        cause=finding.cause,
        upstream=finding_document.Upstream(id=finding.upstream, url=upstream_url(finding.upstream))
        if finding.upstream
        else None,
        fix=finding.fix,
        recipe=finding.recipe,
        rewrites=tuple(one.name for one in fitting(finding.cause)),
        span=_span(finding.location, sources or {}),
        cost=finding_document.Cost(graphs=finding.cost.graphs, seconds=round(finding.cost.seconds, 2)),
        evidence=finding.evidence,
        ranks=ranges(finding.ranks),
    )


def _ranks(table: RankTable) -> ranks_document.Ranks:
    return ranks_document.Ranks(
        world_size=table.world_size,
        seen=ranges(table.seen),
        hosts=table.hosts,
        diverge=table.diverge,
        rows=tuple(
            ranks_document.RankFigures(
                ranks=ranges(row.ranks),
                count=len(row.ranks),
                summary=ranks_document.Summary(**{**row.figures, "compile_seconds": row.seconds[1]})
                if row.figures
                else None,
                compile_seconds=ranks_document.Spread(least=row.seconds[0], median=row.seconds[1], most=row.seconds[2]),
                slowest=row.slowest,
                cache_hits=row.cache[0],
                cache_misses=row.cache[1],
                end=row.ended,
            )
            for row in table.rows
        ),
    )


def _attention(entry: AttentionEntry) -> attention_document.Attention:
    return attention_document.Attention(
        location=_location(entry.location),
        owner=entry.owner,
        api=entry.api,
        verdict=entry.verdict,
        kernel=entry.kernel,
        backend=entry.backend,
        implementation=entry.implementation,
        tokens=entry.tokens,
        q_shape=entry.q_shape,
        kv_shape=entry.kv_shape,
        dtype=entry.dtype,
        device=entry.device,
        peak_bytes=entry.peak_bytes,
        dense_bytes=entry.dense_bytes,
        evidence=attention_document.Pieces(lowered=entry.lowered, executed=entry.executed, bounded=entry.bounded),
        reason=entry.reason,
        reasons=entry.reasons,
        ladder=tuple(
            attention_document.Step(
                tokens=step.tokens,
                ran=step.ran,
                verdict=step.verdict,
                peak_bytes=step.peak,
                dense_bytes=step.dense,
                fused_bytes=step.fused,
                reason=step.reason,
            )
            for step in entry.ladder
        ),
    )


def _cuda_graph(entry: CudaGraphEntry) -> attention_document.CudaGraph:
    return attention_document.CudaGraph(
        compile_id=entry.compile_id,
        location=_location(entry.location),
        state=entry.state,
        functions=entry.functions,
        recordings=entry.recordings,
        replays=entry.replays,
        reasons=tuple(
            attention_document.CudaGraphReason(
                text=text, count=count, location=_location(location) if location else None
            )
            for text, count, location in entry.reasons
        ),
    )


def _location(location: Location) -> finding_document.Location:
    return finding_document.Location(
        file=location.file, line=location.line, function=location.function, snippet=location.snippet
    )

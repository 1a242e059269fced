"""Makes the report from the evidence: runs every check, and puts together what the others of this folder compute."""

from __future__ import annotations

from compile_doctor.analysis.attention.entries import attention_entries
from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.cuda_graph_entries import cuda_graph_entries
from compile_doctor.analysis.frame_map import frame_maps, groups
from compile_doctor.analysis.generated import generated
from compile_doctor.analysis.guard_cost import timed_guards
from compile_doctor.analysis.numerics.statuses import judged
from compile_doctor.analysis.reconcile import disagreements
from compile_doctor.analysis.timeline import timelines
from compile_doctor.checks import all_checks, unusable
from compile_doctor.model.evidence import Evidence
from compile_doctor.report import proof
from compile_doctor.report.by_rank import by_rank
from compile_doctor.report.notes import doubted, drawn, float8_layers, without_cuda_graphs, without_tma
from compile_doctor.report.recorded import not_recorded
from compile_doctor.report.report import Report
from compile_doctor.report.required import is_refuted, uncaptured, unproven_of
from compile_doctor.report.run_checks import run_checks
from compile_doctor.report.settings import environment_of, settings_of
from compile_doctor.report.summary import summary_of
from compile_doctor.report.verdict import sentence, verdict_of


def make_report(evidence: Evidence) -> Report:
    """Runs every check on the evidence. Raises nothing: a check that cannot read the evidence is listed as skipped."""
    seen = AnalysisContext(evidence)
    ranks = None
    if evidence.ranks:
        ranks = by_rank(seen, all_checks(), unusable())
        found, attention, missing, lost = ranks.found, ranks.attention, ranks.missing, ranks.lost
    else:
        found = run_checks([check for check in all_checks() if not check.compares_ranks], seen, unusable())
        attention = attention_entries(seen)
        missing = proof.lacking(
            evidence, (entry.peak_bytes for entry in attention), without_control=seen.refused_eagerly is not None
        )
        lost = proof.lost(evidence)
    findings = found.findings
    alone = seen.refused_eagerly
    verdict, reason = verdict_of(evidence, findings, missing)
    asked = evidence.asked.settings
    unproven = unproven_of(attention, findings) if asked.require_fused else ""
    if asked.require_cudagraphs:
        unproven = unproven or next(filter(None, map(uncaptured, _each_rank(seen))), "")
    unproven = found.problem or unproven
    if verdict == "healthy" and unproven:
        refuted = not found.problem and is_refuted(asked.require_fused, asked.require_cudagraphs, findings)
        verdict, reason = "unhealthy" if refuted else "inconclusive", unproven
    return Report(
        target=evidence.target,
        verdict=verdict,
        reason=reason,
        environment=environment_of(evidence),
        convention=evidence.facts.convention,
        settings=settings_of(evidence),
        summary=ranks.summary if ranks else summary_of(seen),
        ranks=ranks.table if ranks else None,
        findings=findings,
        skipped_checks=found.skipped,
        unknown_events=evidence.unknown,
        disagreements=disagreements(evidence),
        notes=(
            *(*evidence.notes, *(ranks.notes if ranks else ())),
            *(*float8_layers(evidence, seen), *without_tma(seen), *without_cuda_graphs(evidence)),
        ),
        attention=attention,
        compared_at=evidence.facts.compared_at,
        unproven=unproven,
        lost=lost,
        missing=missing if missing and reason == sentence(missing[0]) else lost,
        damaged=bool(evidence.damage),
        cuda_graphs=tuple(entry for each in _each_rank(seen) for entry in cuda_graph_entries(each)),
        require_fused=asked.require_fused,
        require_cudagraphs=asked.require_cudagraphs,
        timings={name: round(value, 3) for name, value in evidence.seconds.items()},
        warm_call=evidence.facts.warm_call,
        memory=next((one.series for one in evidence.attention.windows if one.name == "call"), ()),
        peak_bytes=next((one.peak for one in evidence.attention.windows if one.name == "call" and one.peak > 0), None),
        max_difference=None if evidence.facts.random or evidence.facts.doubt else evidence.max_difference,
        numerics=tuple(judged(evidence.comparisons)),
        not_compared=(f"no eager control: {alone.message}" if alone else None)
        or doubted(evidence)
        or evidence.facts.not_compared
        or (None if evidence.comparisons else drawn(evidence)),
        bytecode=evidence.bytecode,
        sources=evidence.sources,
        cwd=evidence.asked.cwd,
        temporary=evidence.asked.temporary,
        patches=evidence.patches,
        timelines=timelines(evidence),
        guards=timed_guards(evidence),
        not_recorded=not_recorded(each.evidence for each in _each_rank(seen)),
        command_exit=next((child.exit_code for child in evidence.children if child.mode == "command"), None),
        frames=frame_maps(seen),
        generated=tuple(one for own, ranks in groups(seen) for one in generated(own, ranks)),
    )


def _each_rank(seen: AnalysisContext) -> list[AnalysisContext]:
    """One context for each group of ranks that did the same; for a run without ranks, its own."""
    return [one for one in seen.of_groups if one] if seen.evidence.ranks else [seen]

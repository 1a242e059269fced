"""Makes the report from the evidence: runs every check, and decides the verdict and the exit code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from compile_doctor.analysis.attention.entries import AttentionEntry, attention_entries
from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.cuda_graph_entries import CudaGraphEntry, cuda_graph_entries
from compile_doctor.analysis.frame_map import FrameMap, frame_maps, groups, moved
from compile_doctor.analysis.generated import Generated, generated
from compile_doctor.analysis.graph_breaks.by_design import is_deliberate
from compile_doctor.analysis.guard_cost import timed_guards
from compile_doctor.analysis.numerics.statuses import Judged, judged
from compile_doctor.analysis.reconcile import disagreements
from compile_doctor.analysis.root_cause import root_cause
from compile_doctor.analysis.timeline import timelines
from compile_doctor.capture.trace.read import function_name
from compile_doctor.checks import all_checks, unusable
from compile_doctor.model.evidence import Child, Evidence, Patch
from compile_doctor.model.findings import SEVERITIES, Finding
from compile_doctor.model.guards import TimedGuards
from compile_doctor.model.timeline import Timeline
from compile_doctor.report import proof
from compile_doctor.report.by_rank import RankTable, by_rank
from compile_doctor.report.recorded import not_recorded
from compile_doctor.report.run_checks import run_checks
from compile_doctor.report.trial import Trial
from compile_doctor.source import locations


@dataclass(frozen=True)
class Report:
    """The input of a renderer, completely computed."""

    target: str
    verdict: str
    """`healthy`, `unhealthy` or `inconclusive`."""
    reason: str
    """Why the verdict is not `healthy`, in one sentence; empty if it is."""
    environment: Mapping[str, Any]
    convention: str
    settings: Mapping[str, Any]
    summary: Mapping[str, Any]
    findings: tuple[Finding, ...]
    skipped_checks: tuple[tuple[str, str], ...]
    unknown_events: Mapping[str, int]
    disagreements: tuple[str, ...]
    notes: tuple[str, ...]
    timings: Mapping[str, float]
    warm_call: float | None
    """Wall-clock seconds of the quickest call after the first; None if it was called once, or by a command."""
    peak_bytes: int | None
    """Peak memory of one call of the whole target; None if it was not measured: it is if there is attention."""
    attention: tuple[AttentionEntry, ...]
    """One entry per line that called attention."""
    memory: tuple[tuple[int, int], ...]
    """Microseconds since a call began, and bytes from then on; empty if it was not measured: it is if there is attention."""
    cuda_graphs: tuple[CudaGraphEntry, ...]
    """What became of each compiled graph under CUDA graphs; empty if nobody asked for them."""
    require_fused: bool
    require_cudagraphs: bool
    unproven: str
    """Why this is not a pass although nothing bad was found: a check raised an error, or --require-fused is not met."""
    lost: tuple[str, ...]
    """Missing evidence, one sentence each: such a report is never HEALTHY, and never compared with a baseline."""
    missing: tuple[str, ...]
    """What is shown as missing: `lost`; also what else HEALTHY requires, if only that keeps the verdict from it."""
    damaged: bool
    """The capture was changed after it was sealed."""
    compared_at: int | None
    """The number of tokens at which the eager control ran, if it is not the largest."""
    max_difference: float | None
    numerics: tuple[Judged, ...]
    """What `--numerics` compared."""
    not_compared: str | None
    """Why compiled and eager output could not be compared, if both ran."""
    bytecode: Mapping[str, Any]
    sources: Mapping[str, str]
    cwd: str
    temporary: bool = False
    """Whether the evidence is deleted after this report."""
    recallable: bool = False
    """Whether `compile-doctor explain N` shows the findings of this report."""
    command_exit: int | None = None
    """Exit status of the command under `run`; None for `diagnose`."""
    patches: tuple[Patch, ...] = ()
    """The requested recipes, with their state."""
    ranks: RankTable | None = None
    """Figures by rank; None for a run without ranks. Each figure of `summary` is then that of the rank with the most."""
    guards: tuple[TimedGuards, ...] = ()
    """What the guards of each compilation cost, the most expensive first."""
    timelines: tuple[Timeline, ...] = ()
    """When what was compiled: of each group of ranks that did the same; empty if torch's timed events are missing."""
    not_recorded: Mapping[str, str] = field(default_factory=dict)
    """For each part of the report without evidence, such as `timeline`, why it is empty and what to do."""
    trial: Trial | None = None
    """What the recipes that the findings name change, if they were tried."""
    frames: tuple[FrameMap, ...] = ()
    """Which graphs each function became, and where it was cut; one map for each group of ranks that did the same."""
    generated: tuple[Generated, ...] = ()
    """The graphs as text, with the code that Inductor generated for them, as far as they were kept."""


def make_report(evidence: Evidence) -> Report:
    """Runs every check on the evidence. Raises nothing: a check that cannot read the evidence is listed as skipped."""
    seen = AnalysisContext(evidence)
    ranks = None
    if evidence.ranks:
        ranks = by_rank(seen, all_checks(), unusable(), _summary)
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
    verdict, reason = _verdict(evidence, findings, missing)
    unproven = _unproven(attention, findings) if evidence.asked.settings.require_fused else ""
    if evidence.asked.settings.require_cudagraphs:
        unproven = unproven or next(filter(None, map(_uncaptured, _each_rank(seen))), "")
    unproven = found.problem or unproven
    if verdict == "healthy" and unproven:
        verdict, reason = "inconclusive", unproven
    return Report(
        target=evidence.target,
        verdict=verdict,
        reason=reason,
        environment=_environment(evidence),
        convention=evidence.facts.convention,
        settings=_settings(evidence),
        summary=ranks.summary if ranks else _summary(seen),
        ranks=ranks.table if ranks else None,
        findings=findings,
        skipped_checks=found.skipped,
        unknown_events=evidence.unknown,
        disagreements=disagreements(evidence),
        notes=(
            *(*evidence.notes, *(ranks.notes if ranks else ())),
            *(*_float8(evidence, seen), *_without_tma(seen), *_without_cuda_graphs(evidence)),
        ),
        attention=attention,
        compared_at=evidence.facts.compared_at,
        unproven=unproven,
        lost=lost,
        missing=missing if missing and reason == _sentence(missing[0]) else lost,
        damaged=bool(evidence.damage),
        cuda_graphs=tuple(entry for each in _each_rank(seen) for entry in cuda_graph_entries(each)),
        require_fused=evidence.asked.settings.require_fused,
        require_cudagraphs=evidence.asked.settings.require_cudagraphs,
        timings={name: round(value, 3) for name, value in evidence.seconds.items()},
        warm_call=evidence.facts.warm_call,
        memory=next((one.series for one in evidence.attention.windows if one.name == "call"), ()),
        peak_bytes=next((one.peak for one in evidence.attention.windows if one.name == "call" and one.peak > 0), None),
        max_difference=None if evidence.facts.random or evidence.facts.doubt else evidence.max_difference,
        numerics=tuple(judged(evidence.comparisons)),
        not_compared=(f"no eager control: {alone.message}" if alone else None)
        or _doubted(evidence)
        or evidence.facts.not_compared
        or (None if evidence.comparisons else _random(evidence)),
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
    dense = any(entry.verdict in ("dense", "mixed") for entry in report.attention)
    if report.require_fused and (dense or any(finding.facts.dense for finding in report.findings)):
        return 1
    if report.require_cudagraphs and any(finding.facts.uncaptured for finding in report.findings):
        return 1
    if report.verdict == "inconclusive":
        return next((facts.exit_code for facts in outcomes if facts.exit_code), 3)
    return 1 if bad else 0


def _verdict(evidence: Evidence, findings: tuple[Finding, ...], missing: tuple[str, ...]) -> tuple[str, str]:
    if evidence.damage:
        return "inconclusive", _sentence(f"The capture is damaged: {evidence.damage[0]}")
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
        return "inconclusive", _sentence(early)
    if any(finding.severity == "error" for finding in findings):
        return "unhealthy", ""
    if failed:
        return "inconclusive", _command_failed(evidence, failed)
    if evidence.facts.probe_error:
        return "inconclusive", _sentence(
            f"the probe of compile-doctor failed: {_last_line(evidence.facts.probe_error)}"
        )
    if any(child.mode != "command" and child.exit_code not in (0, None) for child in evidence.children):
        limit = evidence.asked.settings.memory_limit
        allowed = f" It was limited to {limit:,} bytes (--memory-limit)." if limit else ""
        return "inconclusive", "The process ended early." + allowed
    return ("inconclusive", _sentence(missing[0])) if missing else ("healthy", "")


def _command_failed(evidence: Evidence, child: Child) -> str:
    """What is known of a command that failed by itself: how, with which exception, and whether it compiled anything."""
    raised = evidence.failure("compiled")
    cause = root_cause(raised, evidence.environment.get("torch_root")) if raised else None
    at = f" ({cause.frame.file}:{cause.frame.line})" if cause and cause.frame else ""
    why = f": {cause.type}: {cause.words}{at}" if cause else ""
    if not any(one.graphs for one in evidence.compilations):
        return _sentence(f"The command failed ({_how(child)}) before anything was compiled{why}")
    return _sentence(f"The command failed ({_how(child)}){why}") + " The report shows what it did until then."


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2][:200]


def _unproven(attention: tuple[AttentionEntry, ...], findings: tuple[Finding, ...]) -> str:
    """Why --require-fused is not met although nothing ran dense; empty if every call is proven to be fused."""
    if any(finding.facts.dense for finding in findings):
        return "Attention keeps every score: it is written out, and no fused kernel computes it (--require-fused)."
    if not attention:
        return "No attention call was seen, so nothing is proven to be fused (--require-fused)."
    unproven = next((one for one in attention if one.verdict != "fused"), None)
    if unproven is None and not any(finding.facts.unproven for finding in findings):
        return ""
    why = f": {unproven.reason}" if unproven and unproven.reason else ""
    return f"Attention is not proven to be fused (--require-fused){why}."


def _uncaptured(seen: AnalysisContext) -> str:
    """Why --require-cudagraphs is not met; empty if every graph is captured whole."""
    if seen.evidence.cuda_graphs is None:
        return "CUDA graphs need a CUDA device, and this run used none (--require-cudagraphs)."
    if not seen.cuda_graphs:
        return 'No graph was compiled for CUDA graphs: use --mode reduce-overhead, or mode="reduce-overhead" in the target (--require-cudagraphs).'
    left = [one for one in seen.cuda_graphs if one.state != "captured"]
    if not left:
        return ""
    few = all(one.state == "not-recorded" for one in left)
    why = ": it ran too few times to be recorded; use --repeat 4" if few else ""
    return f"{len(left)} of {len(seen.cuda_graphs)} graphs are not captured whole as CUDA graphs{why} (--require-cudagraphs)."


def _settings(evidence: Evidence) -> dict[str, Any]:
    """The effective options: a target that is already compiled does not need --as-is."""
    as_is = {"as_is": True} if evidence.facts.as_is else {}
    return {**(asdict(evidence.asked.options) if evidence.asked.options else {}), **as_is}


def _doubted(evidence: Evidence) -> str | None:
    """A difference that is not reported as an error, and why."""
    facts = evidence.facts
    what = facts.unlike or f"it differs by up to {evidence.max_difference or 0.0:.2g}"
    return f"{what}, but {facts.doubt}; --numerics compares more" if facts.doubt else None


def _random(evidence: Evidence) -> str | None:
    return "the model draws random numbers (dropout in train mode?)" if evidence.facts.random else None


def _how(child: Child) -> str:
    return child.signal or f"exit status {child.exit_code}"


def _summary(seen: AnalysisContext) -> dict[str, Any]:
    compilations = [
        c for c in seen.evidence.compilations if not locations.is_interior(c.file, function_name(c.function))
    ]
    recompiles = [c for group in seen.recompiled for c in group.compilations]
    return {
        "graphs": sum(c.graphs for c in compilations if c.guarded),
        "graph_breaks": len(seen.sites),
        "deliberate_breaks": sum(1 for site in seen.sites if is_deliberate(seen, site)),
        "recompiles": len(recompiles),
        "frames_compiled": sum(1 for c in compilations if c.guarded),
        "frames_skipped": len(seen.skipped),
        "ops_captured": sum(c.ops for c in compilations),
        "compile_seconds": round(sum(c.seconds or 0.0 for c in compilations), 1),
    }


def _environment(evidence: Evidence) -> dict[str, Any]:
    hidden = ("torch_root",)
    found = {key: value for key, value in evidence.environment.items() if key not in hidden and value is not None}
    options = evidence.asked.options
    if options and options.device:
        found.setdefault("device", options.device)
    if evidence.facts.as_is:
        parts = evidence.facts.compiled_parts
        several = f" for {parts} submodule{'s' * (parts != 1)}" if parts else ""
        found["backend"] = f"as the target set it{several}"
    elif options:
        found["backend"] = options.backend or "inductor"
    return found


def _float8(evidence: Evidence, seen: AnalysisContext) -> list[str]:
    """A note that float8 linear layers are not a problem: only the dtypes of q, k and v matter."""
    layers = evidence.facts.float8_layers
    dtypes = {tensor.dtype for one in seen.attention for tensor in one.site.inputs if tensor}
    if not layers or not dtypes or any(dtype.startswith("float8") for dtype in dtypes):
        return []
    named = ", ".join(layers[:3]) + (", …" if len(layers) > 3 else "")
    return [
        f"the model has float8 layers ({len(layers)}: {named}), which is fine: "
        f"the inputs of attention are {', '.join(sorted(dtypes))}"
    ]


def _without_tma(seen: AnalysisContext) -> list[str]:
    """A note for each call that asks for TMA and got a kernel without it."""
    return [
        f"flex_attention at {locations.short(verdict.site.frame.file)}:{verdict.site.frame.line} asks for TMA (USE_TMA), and its "
        "kernel loads without it: torch turns it off without a message on GPUs before Hopper, and unless the last "
        "dimension of query, key and value is contiguous and their other strides are multiples of 16 bytes"
        for verdict in seen.attention
        if any(one.node.tma and one.kernel is not None and one.kernel.tma is False for one in verdict.site.lowerings)
    ]


def _without_cuda_graphs(evidence: Evidence) -> list[str]:
    """A note that says how memory was measured, if it was not measured as the target runs."""
    if not evidence.attention.cuda_graphs_off:
        return []
    return ["memory was measured with CUDA graphs off: the replay of a graph allocates nothing"]


def relative(report: Report) -> Report:
    """The same report, with paths inside its working directory made relative to it."""
    prefix = report.cwd.rstrip("/") + "/"

    def short(path: str) -> str:
        return path[len(prefix) :] if len(prefix) > 1 and path.startswith(prefix) else path

    def text(line: str) -> str:
        return line.replace(prefix, "") if len(prefix) > 1 else line

    def move(finding: Finding) -> Finding:
        location = replace(finding.location, file=short(finding.location.file)) if finding.location else None
        via = replace(finding.via, file=short(finding.via.file)) if finding.via else None
        texts = tuple(text(line) for line in finding.evidence)
        also = tuple(replace(place, file=short(place.file)) for place in finding.also)
        return replace(finding, location=location, via=via, also=also, evidence=texts, message=text(finding.message))

    def move_entry(entry: AttentionEntry) -> AttentionEntry:
        return replace(entry, location=replace(entry.location, file=short(entry.location.file)))

    def move_graph(entry: CudaGraphEntry) -> CudaGraphEntry:
        reasons = tuple(
            (words, count, replace(at, file=short(at.file)) if at else None) for words, count, at in entry.reasons
        )
        return replace(entry, location=replace(entry.location, file=short(entry.location.file)), reasons=reasons)

    def move_timeline(one: Timeline) -> Timeline:
        compiled = (replace(c, frame=c.frame._replace(file=short(c.frame.file))) for c in one.compilations)
        return replace(one, compilations=tuple(compiled))

    sources = {short(path): text for path, text in report.sources.items()}
    return replace(
        report,
        findings=tuple(move(finding) for finding in report.findings),
        attention=tuple(move_entry(entry) for entry in report.attention),
        cuda_graphs=tuple(move_graph(entry) for entry in report.cuda_graphs),
        frames=tuple(moved(one, short) for one in report.frames),
        generated=tuple(
            replace(one, location=replace(one.location, file=short(one.location.file))) for one in report.generated
        ),
        sources=sources,
        guards=tuple(replace(g, frame=g.frame._replace(file=short(g.frame.file))) for g in report.guards),
        timelines=tuple(move_timeline(one) for one in report.timelines),
    )

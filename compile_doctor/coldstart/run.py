"""Runs the starts, each in a new process, and reads what each did."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import compile_doctor
from compile_doctor.analysis.compile_time import answers
from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.capture.store import CaptureDirectory
from compile_doctor.capture.trace.read import function_name
from compile_doctor.checks import all_checks
from compile_doctor.coldstart.advice import advice
from compile_doctor.coldstart.result import NAMES, ColdStart, Started, StartedGraph
from compile_doctor.errors import UsageError
from compile_doctor.model.asked import Asked, Settings
from compile_doctor.model.compilations import Compilation
from compile_doctor.model.evidence import Evidence
from compile_doctor.model.stacks import Frame
from compile_doctor.model.timeline import Answer
from compile_doctor.processes.children import Start, watch
from compile_doctor.processes.scratch import scratch
from compile_doctor.report.run_checks import run_checks
from compile_doctor.run import clean_cache
from compile_doctor.run.launch import one_size
from compile_doctor.run.progress import Progress
from compile_doctor.source import locations
from compile_doctor.targets.target import Target, not_a_target

COMPARED = ("cold", "warm")


def coldstart(
    target: Target,
    settings: Settings,
    capture: Path,
    keep: bool,
    progress: Progress,
    own: bool = False,
    tries: bool = False,
    start: Start = watch,
) -> ColdStart:
    """Runs the cold and the warm start, and those that were asked for. Raises UsageError if the target is not valid."""
    asked = Asked(target.text, os.getcwd(), compile_doctor.__version__, not keep, options=settings)
    directory = CaptureDirectory(capture, asked)
    found: dict[str, Evidence] = {}

    def run(name: str, changed: Settings, cache: Path | None) -> None:
        progress.say(f"{name} start: {NAMES[name]}")
        inside = capture / f"start-{name}"
        found[name] = one_size(target, changed, inside, keep, progress, _with_cache(start, cache), control=False)

    with scratch("cold") as cache, scratch("other") as other:
        run("cold", settings, cache)
        _require_target(found["cold"])
        if _ran(found["cold"]):
            run("warm", settings, cache)
            if own:
                run("own", settings, None)
            wanted = [one.name for one in advice(found)] if tries else []
            for name, changed in (
                ("dynamic", replace(settings, dynamic=True)),
                ("regional", replace(settings, regional=True)),
            ):
                if name in wanted:
                    (other / name).mkdir()
                    run(name, changed, other / name)
    return replace(result(directory.close_starts(found), found), busy=_busy())


def _busy() -> str:
    """What the load average says: a start itself keeps the cores busy while kernels are compiled."""
    try:
        load, cores = os.getloadavg()[0], os.cpu_count() or 1
    except (AttributeError, OSError):
        return ""
    if load <= cores + 1:
        return ""
    return (
        f"The machine is busy: load average {load:.1f} on {cores} cores. Each start was made once, so times that differ "
        "by less than half mean nothing."
    )


def _with_cache(start: Start, cache: Path | None) -> Start:
    """Starts a child with this folder for all caches of torch, and for temporary files; None: with the user's own."""

    def begin(mode: str, command: Sequence[str], environment: Mapping[str, str], limit: float | None) -> dict[str, Any]:
        changed = clean_cache.environment(dict(environment), cache) if cache else environment
        return start(mode, command, changed, limit)

    return begin


def _require_target(evidence: Evidence) -> None:
    facts = evidence.facts
    if facts.usage:
        raise UsageError(f"torch.compile refuses these options: {facts.usage}")
    if facts.not_a_target:
        raise UsageError(facts.not_a_target, hint=not_a_target())


def _ran(evidence: Evidence) -> bool:
    return evidence.phases.get("compiled") == "done"


def result(evidence: Evidence, found: Mapping[str, Evidence]) -> ColdStart:
    """What the starts show. `evidence` is that of the warm start, with the cold one in it."""
    seen = AnalysisContext(evidence)
    checks = [check for check in all_checks() if check.category == "cold-start"]
    return ColdStart(
        target=evidence.target,
        environment=evidence.environment,
        starts=tuple(_started(name, found[name]) for name in NAMES if name in found),
        graphs=tuple(_graphs(found)),
        findings=run_checks(checks, seen).findings,
        advice=tuple(advice(found)) if "warm" in found else (),
        problem=next((text for name in COMPARED if (text := _problem(name, found.get(name)))), ""),
        notes=tuple(dict.fromkeys(note for one in found.values() for note in one.notes)),
        sources=evidence.sources,
        cwd=evidence.asked.cwd,
    )


def _problem(name: str, evidence: Evidence | None) -> str:
    """Why a start has no figures, as a sentence; empty if it has some."""
    if evidence is None:
        return f"The {name} start was not made."
    if evidence.damage:
        return f"The capture of the {name} start is damaged: {evidence.damage[0]}."
    if not _ran(evidence):
        failure = evidence.failure("compiled") or next(iter(evidence.failures), None)
        last = failure.chain[-1] if failure else None
        ended = next((child.ended for child in evidence.children if child.ended != "exited"), "")
        words = f"{last.type}: {last.message.splitlines()[0][:200]}" if last and last.message.strip() else ended
        return f"The {name} start failed: {words or 'the target did not run to its end'}. `diagnose` shows why."
    if not any(one.graphs for one in evidence.compilations):
        return f"The {name} start compiled nothing, so there is nothing to cache."
    if not any(one.timing for one in evidence.compilations):
        return f"The {name} start has no timed events of torch."
    return ""


def _started(name: str, evidence: Evidence) -> Started:
    calls = [one.duration / 1e6 for one in evidence.calls if one.phase == "compiled"]
    timed = [one.timing for one in evidence.compilations if one.timing]
    phases: dict[str, float] = {}
    for timing in timed:
        for phase, spent in timing.phases:
            phases[phase] = phases.get(phase, 0.0) + spent / 1e6
    counted = [_counted(one) for one in evidence.compilations]
    return Started(
        name=name,
        first_call=calls[0] if calls else None,
        later_call=min(calls[1:], default=None),
        compiling=sum(phases.values()) if timed else None,
        phases=phases,
        graphs=sum(one.graphs for one in evidence.compilations if one.guarded),
        recompiles=sum(one.frame_compile_id > 0 and one.guarded is True for one in evidence.compilations),
        hits=sum(one.count("hit") for one in counted),
        misses=sum(one.count("miss") for one in counted),
        bypasses=sum(one.count("bypass") for one in counted),
        problem=_problem(name, evidence),
    )


def _counted(one: Compilation) -> list[Answer]:
    """The answers that count: of AOTAutograd's cache only a bypass, if Inductor's answered too."""
    own = [answer.answer for answer in one.answers if answer.cache == "fx_graph"]
    other = [answer.answer for answer in one.answers if answer.cache != "fx_graph"]
    return own + [answer for answer in other if answer == "bypass" or not own]


def _graphs(found: Mapping[str, Evidence]) -> list[StartedGraph]:
    """The compilations of the cold start that made code, the longest first."""
    cold, warm = found["cold"], found.get("warm")
    again = {_key(one): one for one in (warm.compilations if warm else ())}
    rows = []
    for one in cold.compilations:
        if one.timing is None or not one.graphs:
            continue
        other = again.get(_key(one))
        sources = cold.sources
        function = locations.qualified(sources, one.file, one.line, function_name(one.function))
        reasons = dict.fromkeys(answer.reason for answer in (other.answers if other else ()) if answer.reason)
        rows.append(
            StartedGraph(
                compile_id=one.label,
                frame=Frame(one.file, one.line, function, locations.snippet(sources, one.file, one.line)),
                cold=one.timing.duration / 1e6,
                warm=other.timing.duration / 1e6 if other and other.timing else None,
                answer=(answers(other.answers) or "not asked") if other else "not compiled",
                reason="; ".join(reasons),
            )
        )
    return sorted(rows, key=lambda row: -row.cold)


def _key(one: Compilation) -> tuple[str, str, int]:
    return one.label, one.file, one.line

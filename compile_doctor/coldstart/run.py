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
from compile_doctor.analysis.starts import place
from compile_doctor.capture.schema import StartListed
from compile_doctor.capture.store import CaptureDirectory
from compile_doctor.checks import all_checks
from compile_doctor.coldstart.advice import advice, compiling, ran, typical
from compile_doctor.coldstart.result import NAMES, ColdStart, Spread, Started, StartedGraph
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
TRIED = ("dynamic", "regional")
"""The settings that a start which measures a gain has besides."""
WITH_TRY = 3
"""How often each start is made if gains are measured: with fewer, chance alone separates two of a kind too often."""


def coldstart(
    target: Target,
    settings: Settings,
    capture: Path,
    keep: bool,
    progress: Progress,
    own: bool = False,
    tries: bool = False,
    start: Start = watch,
    starts: int | None = None,
) -> ColdStart:
    """Runs the starts that were asked for, each `starts` times. Raises UsageError if the target is not valid."""
    asked = Asked(target.text, os.getcwd(), compile_doctor.__version__, not keep, options=settings)
    directory = CaptureDirectory(capture, asked)
    found: dict[str, list[Evidence]] = {}
    rounds = starts or (WITH_TRY if tries else 1)

    def run(name: str, cache: Path | None) -> None:
        made = found.setdefault(name, [])
        which = f" {len(made) + 1} of {rounds}" if rounds > 1 and name != "own" else ""
        progress.say(f"{name} start{which}: {NAMES[name]}")
        inside = capture / StartListed(name, len(made) + 1).directory
        changed = replace(
            settings, dynamic=name == "dynamic" or settings.dynamic, regional=name == "regional" or settings.regional
        )
        made.append(one_size(target, changed, inside, keep, progress, _with_cache(start, cache), control=False))

    def empty(name: str) -> None:
        with scratch(name) as cache:
            run(name, cache)

    def both() -> None:
        with scratch("cold") as cache:
            run("cold", cache)
            _require_target(found["cold"][0])
            if ran(found["cold"][-1]):
                run("warm", cache)

    both()
    if "warm" in found:
        if own:
            run("own", None)  # once: it fills that cache
        wanted = [one.name for one in advice(found)] if tries else []
        others = [name for name in TRIED if name in wanted]
        for name in others:
            empty(name)
        kinds = ["cold", *(name for name in others if ran(found[name][0]))]
        for number in range(1, rounds):  # in turn, and each time another one first: a slow minute favours none
            for name in kinds[number % len(kinds) :] + kinds[: number % len(kinds)]:
                if name == "cold":
                    both()
                else:
                    empty(name)
    return replace(result(directory.close_starts(found), found), busy=_busy(rounds))


def _busy(rounds: int) -> str:
    """What the load average says: a start itself keeps the cores busy while kernels are compiled."""
    try:
        load, cores = os.getloadavg()[0], os.cpu_count() or 1
    except (AttributeError, OSError):
        return ""
    if load <= cores + 1:
        return ""
    meaning = (
        "Each start was made once, so times that differ by less than half mean nothing. --starts 3 measures the spread."
        if rounds == 1
        else "Compare times with their spread."
    )
    return f"The machine is busy: load average {load:.1f} on {cores} cores. {meaning}"


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


def result(evidence: Evidence, found: Mapping[str, Sequence[Evidence]]) -> ColdStart:
    """What the starts show. `evidence` is that of the first warm start, with the first cold one in it."""
    seen = AnalysisContext(evidence)
    checks = [check for check in all_checks() if check.category == "cold-start"]
    compared = [(name, one) for name in COMPARED for one in found.get(name, (None,))]
    return ColdStart(
        target=evidence.target,
        environment=evidence.environment,
        starts=tuple(_started(name, found[name]) for name in NAMES if name in found),
        graphs=tuple(_graphs(typical(found["cold"]), typical(found["warm"]) if "warm" in found else None)),
        findings=run_checks(checks, seen).findings,
        advice=tuple(advice(found)) if "warm" in found else (),
        problem=next((text for name, one in compared if (text := _problem(name, one))), ""),
        notes=tuple(dict.fromkeys(note for ones in found.values() for one in ones for note in one.notes)),
        sources=evidence.sources,
        cwd=evidence.asked.cwd,
    )


def _problem(name: str, evidence: Evidence | None) -> str:
    """Why a start has no figures, as a sentence; empty if it has some."""
    if evidence is None:
        return f"The {name} start was not made."
    if evidence.damage:
        return f"The capture of the {name} start is damaged: {evidence.damage[0]}."
    if not ran(evidence):
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


def _started(name: str, made: Sequence[Evidence]) -> Started:
    evidence = typical(made)
    finished = [one for one in made if ran(one)]
    calls = _compiled_calls(evidence)
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
        made=len(made),
        first_calls=_spread([one for made in finished for one in _compiled_calls(made)[:1]]),
        compilings=_spread([compiling(one) for one in finished]) if timed else None,
    )


def _compiled_calls(evidence: Evidence) -> list[float]:
    return [one.duration / 1e6 for one in evidence.calls if one.phase == "compiled"]


def _spread(found: Sequence[float]) -> Spread | None:
    return Spread(min(found), max(found)) if len(found) > 1 else None


def _counted(one: Compilation) -> list[Answer]:
    """The answers that count: of AOTAutograd's cache only a bypass, if Inductor's answered too."""
    own = [answer.answer for answer in one.answers if answer.cache == "fx_graph"]
    other = [answer.answer for answer in one.answers if answer.cache != "fx_graph"]
    return own + [answer for answer in other if answer == "bypass" or not own]


def _graphs(cold: Evidence, warm: Evidence | None) -> list[StartedGraph]:
    """The compilations of the cold start that made code, the longest first."""
    again = {_key(one): one for one in (warm.compilations if warm else ())}
    rows = []
    for one in cold.compilations:
        if one.timing is None or not one.graphs:
            continue
        other = again.get(_key(one))
        sources = cold.sources
        file, line, function = place(cold, one)
        reasons = dict.fromkeys(answer.reason for answer in (other.answers if other else ()) if answer.reason)
        rows.append(
            StartedGraph(
                compile_id=one.label,
                frame=Frame(file, line, function, locations.snippet(sources, file, line)),
                cold=one.timing.duration / 1e6,
                warm=other.timing.duration / 1e6 if other and other.timing else None,
                answer=(answers(other.answers) or "not asked") if other else "not compiled",
                reason="; ".join(reasons),
            )
        )
    return sorted(rows, key=lambda row: -row.cold)


def _key(one: Compilation) -> tuple[str, str, int]:
    return one.label, one.file, one.line

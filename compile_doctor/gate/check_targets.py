"""Diagnoses the configured targets, in parallel as far as `--jobs` and memory allow."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from typing import Any

from compile_doctor.errors import DoctorError, UsageError
from compile_doctor.gate.cache import Cache
from compile_doctor.gate.commands import observe_command
from compile_doctor.gate.config import Configuration
from compile_doctor.gate.config_tables import GateTarget
from compile_doctor.gate.decide import judge
from compile_doctor.gate.outcome import Outcome
from compile_doctor.model.asked import Settings
from compile_doctor.model.evidence import Evidence
from compile_doctor.model.sizes import parse_size
from compile_doctor.processes.children import Start, end_all, watch
from compile_doctor.processes.scratch import scratch
from compile_doctor.run.fork_server import ForkServer
from compile_doctor.run.launch import diagnose
from compile_doctor.run.progress import Progress
from compile_doctor.run.side_by_side import Children
from compile_doctor.run.target_output import TargetOutput, watch_quietly
from compile_doctor.targets.target import parse_target


def settings_of(target: GateTarget, backend: str | None = None) -> Settings:
    """The target's options as `diagnose` has them; `backend` is that of the command line, which takes precedence."""
    shared = {one.name: getattr(target, one.name) for one in fields(Settings) if hasattr(target, one.name)}
    return Settings(**{**shared, "backend": backend or target.backend, "memory_limit": size_of(target.memory_limit)})


def size_of(text: str | None) -> int | None:
    """`8GB` as bytes, by the rules of `diagnose --memory-limit`. Raises UsageError for anything else."""
    try:
        return None if text is None else parse_size(text)
    except ValueError as error:
        raise UsageError(f"memory-limit: {error}") from None


def run_targets(
    targets: Sequence[GateTarget],
    jobs: int,
    backend: str | None,
    forks: ForkServer | None,
    cache: Cache | None,
    done: Callable[[GateTarget, Evidence | DoctorError], Outcome],
    verbose: bool = False,
    quiet: bool = True,
) -> list[Outcome]:
    """One outcome per target, in order. A target that cannot be run is an outcome and does not stop the others.

    Shows what the targets print: of those that fail or are inconclusive, or of all of them (`verbose`).
    """
    with scratch() as folder:
        output = TargetOutput(folder, [target.name for target in targets])
        try:
            outcomes = _run(targets, Children(jobs), backend, forks, cache, done, output, Progress(quiet))
        except BaseException:
            output.show_all()  # the children have ended by now, so their output is complete
            raise
        for outcome in outcomes:
            if verbose or outcome.status in ("regression", "inconclusive"):
                output.show(outcome.name)
    return outcomes


def _run(
    targets: Sequence[GateTarget],
    children: Children,
    backend: str | None,
    forks: ForkServer | None,
    cache: Cache | None,
    done: Callable[[GateTarget, Evidence | DoctorError], Outcome],
    output: TargetOutput,
    progress: Progress,
) -> list[Outcome]:
    outcomes: list[Outcome] = []

    def one(target: GateTarget) -> Evidence | DoctorError:
        # Recipes are applied while torch is imported: the fork server has imported it already.
        start = watch if target.patches or forks is None else forks.start
        try:
            if target.command:
                return observe_command(target, children.limited(output.keeping(target.name, watch_quietly)))
            return _evidence(target, backend, output.keeping(target.name, start), children, cache)
        except DoctorError as error:
            return error

    # One thread more than children: the evidence of a child is read while the next child runs.
    with ThreadPoolExecutor(children.most + 1) as pool:
        try:
            with progress.task(lambda: f"{len(outcomes)} of {len(targets)} targets"):
                for target, found in zip(targets, pool.map(one, targets), strict=True):
                    outcomes.append(done(target, found))
        except BaseException:  # Ctrl-C: otherwise the threads would wait for their children, and start others
            children.stop()
            if forks is not None:
                forks.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            end_all()
            raise
    return outcomes


def _evidence(
    target: GateTarget, backend: str | None, start: Start, children: Children, cache: Cache | None
) -> Evidence:
    parsed, settings = parse_target(target.target), settings_of(target, backend)
    known = cache.find(parsed, settings) if cache else None
    if known is not None:
        return known
    began: list[float] = []

    def begin(mode: str, command: Sequence[str], environment: Mapping[str, str], timeout: float | None) -> Any:
        began.append(time.time())  # after the waiting: this run reads the files that the target before wrote
        return start(mode, command, environment, timeout)

    limited = children.limited(begin)
    with scratch() as folder:
        seeing = cache.seeing(limited) if cache else limited
        evidence = diagnose(parsed, settings, folder, False, Progress(True), seeing)
        if cache:
            cache.keep(parsed, settings, folder, evidence, began[0])
    problem = evidence.facts.not_a_target or evidence.facts.usage
    if problem:
        raise UsageError(problem)
    return evidence


def outcome_of(configuration: Configuration, today: datetime.date) -> Callable[..., Outcome]:
    """A function for `run_targets`: the outcome of a target's evidence, or of the error that prevented its run."""

    def made(target: GateTarget, found: Evidence | DoctorError) -> Outcome:
        if isinstance(found, DoctorError):
            return Outcome(target.name, "inconclusive", str(found), None)
        outcome = judge(target, found, configuration, today)
        return replace(outcome, cached=found.cached)

    return made

"""What `check` and `baseline` share: running the targets, and writing the results."""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from compile_doctor.clean import say
from compile_doctor.cli.options import OutputOptions
from compile_doctor.cli.output import answer, write
from compile_doctor.errors import DoctorError, InconclusiveError, UsageError
from compile_doctor.gate import baseline, baseline_files
from compile_doctor.gate.baseline import Baseline
from compile_doctor.gate.cache import Cache
from compile_doctor.gate.check_targets import outcome_of, run_targets
from compile_doctor.gate.config import Configuration, choose
from compile_doctor.gate.config_tables import GateTarget
from compile_doctor.gate.decide import waiver_notes, why_undecided, without_baseline
from compile_doctor.gate.outcome import Gate, Outcome
from compile_doctor.model.evidence import Evidence
from compile_doctor.recipes.catalogue import installed
from compile_doctor.report.make import make_report
from compile_doctor.run.fork_server import ForkServer

EAGER = "--backend eager: breaks and recompilations are compared; kernels, attention and Inductor errors are not seen"


def check_targets(
    configuration: Configuration,
    targets: Sequence[GateTarget],
    forks: ForkServer | None,
    backend: str | None,
    strict: bool,
    use_cache: bool,
    output: OutputOptions,
) -> int:
    """Runs the targets, compares them with their baselines, writes every requested format; returns the exit code."""
    from compile_doctor.render import gate_renderer

    gate_renderer(output.format)  # raises for an unknown one, before anything runs
    today = datetime.date.today()
    cache = Cache() if use_cache else None
    torch = installed("torch") or ""
    new = {
        target.name: without_baseline(target, torch, None)
        for target in targets
        if torch and not baseline_files.known(configuration.baseline_dir, target.name, torch)
    }
    run = [target for target in targets if target.name not in new]
    make = outcome_of(configuration, today)
    judged = run_targets(run, configuration.jobs, backend, forks, cache, make, output.verbose > 0, output.quiet)
    found = {**new, **{outcome.name: outcome for outcome in judged}}
    outcomes = [found[target.name] for target in targets]
    if strict:
        outcomes = [_strict(outcome) for outcome in outcomes]
    notes = waiver_notes(configuration, outcomes, today) + ([EAGER] if backend == "eager" else [])
    if cache and output.verbose:
        notes += cache.notes()
    device = next((str(o.report.environment.get("device", "cpu")) for o in outcomes if o.report), "unknown")
    gate = Gate(tuple(outcomes), torch, device, tuple(notes))
    write(gate, gate_renderer, output, failed=gate.exit_code != 0)
    return gate.exit_code


def _strict(outcome: Outcome) -> Outcome:
    if outcome.status != "better":
        return outcome
    return replace(
        outcome,
        status="regression",
        reason="It is better than its baseline (--strict-baseline). Run `compile-doctor baseline update`.",
    )


def update_baselines(
    configuration: Configuration,
    targets: Sequence[GateTarget],
    forks: ForkServer | None,
    backend: str | None,
) -> int:
    """Writes the baselines; a target without a result keeps its old baseline, and the exit code is 3."""

    def write(target: GateTarget, found: Evidence | DoctorError) -> Outcome:
        if isinstance(found, DoctorError):
            return Outcome(target.name, "inconclusive", str(found), None)
        report = make_report(found)
        undecided = why_undecided(report)
        if undecided:
            return Outcome(target.name, "inconclusive", undecided, report)
        try:
            return Outcome(target.name, "pass", _write(configuration, baseline.snapshot(target.name, report)), report)
        except InconclusiveError as error:
            return Outcome(target.name, "inconclusive", str(error), report)

    outcomes = run_targets(targets, configuration.jobs, backend, forks, None, write, quiet=False)
    for outcome in outcomes:
        answer(f"{outcome.name}: {'not written: ' if outcome.status != 'pass' else ''}{outcome.reason}")
    return 0 if all(outcome.status == "pass" for outcome in outcomes) else 3


def _write(configuration: Configuration, entry: Baseline) -> str:
    """Writes the file; returns what happened to it, in words. Raises InconclusiveError if it cannot be written."""
    of = (configuration.baseline_dir, entry.target, entry.torch, entry.device)
    path, old = baseline_files.path_of(*of), baseline_files.find(*of)
    unreadable = ""
    try:
        baseline_files.load(old)
    except InconclusiveError as error:
        unreadable = f" (replaces one that could not be used: {str(error).removesuffix('.')})"
    changed = baseline_files.write(path, entry)
    if old != path:
        old.unlink(missing_ok=True)
        unreadable = f" (replaces {os.path.relpath(old)})"
    return f"{'written' if changed else 'unchanged'}: {os.path.relpath(path)}{unreadable}"


def prune_baselines(dry_run: bool) -> int:
    """Deletes baselines of targets that no longer exist. Files that cannot be read are named and kept (exit code 3)."""
    configuration, targets = choose(())
    names = {target.name for target in targets}
    code = 0
    for path, entry in baseline_files.stored(configuration.baseline_dir):
        if isinstance(entry, InconclusiveError):
            say(f"not deleted: {entry}")
            code = entry.exit_code
        elif entry.target not in names:
            if not dry_run:
                _delete(path)
            answer(f"{'would delete' if dry_run else 'deleted'} {os.path.relpath(path)}")
    return code


def _delete(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"{os.path.relpath(path)} cannot be deleted: {error.strerror}.") from error

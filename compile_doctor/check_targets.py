"""Diagnoses the configured targets, as many at a time as asked for and as memory allows."""

from __future__ import annotations

import datetime
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path

from compile_doctor.config import Configuration, GateTarget
from compile_doctor.errors import DoctorError, UsageError
from compile_doctor.evidence import Evidence
from compile_doctor.gate import Outcome
from compile_doctor.judge import judge
from compile_doctor.launch import Settings, diagnose
from compile_doctor.progress import Progress
from compile_doctor.sizes import parse_size
from compile_doctor.targets import parse_target

ROOM = 4 << 30
"""Bytes that a further target has to find free before it is started beside another."""


def settings_of(target: GateTarget, backend: str | None = None) -> Settings:
    """The target's options as `diagnose` has them; `backend` is the command line's, which wins."""
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
    done: Callable[[GateTarget, Evidence | DoctorError], Outcome],
) -> list[Outcome]:
    """One outcome per target, in order. A target that cannot be run is an outcome, not an end of the others."""
    gate = threading.Semaphore(jobs)
    alone = threading.Lock()
    running = 0

    def one(target: GateTarget) -> Outcome:
        nonlocal running
        with gate:
            while True:
                with alone:
                    if running == 0 or _free() > ROOM:
                        running += 1
                        break
                threading.Event().wait(0.2)
            try:
                return done(target, _evidence(target, backend))
            except DoctorError as error:
                return done(target, error)
            finally:
                with alone:
                    running -= 1

    with ThreadPoolExecutor(max(1, jobs)) as pool:
        return list(pool.map(one, targets))


def _evidence(target: GateTarget, backend: str | None) -> Evidence:
    parsed = parse_target(target.target)
    with tempfile.TemporaryDirectory(prefix="compile-doctor-") as folder:
        evidence = diagnose(parsed, settings_of(target, backend), Path(folder), False, Progress(True))
    problem = evidence.manifest.get("not_a_target") or evidence.manifest.get("usage")
    if problem:
        raise UsageError(str(problem))
    return evidence


def outcome_of(configuration: Configuration, today: datetime.date) -> Callable[..., Outcome]:
    """What `run_targets` is to make of each target's evidence, or of the error that kept it from running."""

    def made(target: GateTarget, found: Evidence | DoctorError) -> Outcome:
        if isinstance(found, DoctorError):
            return Outcome(target.name, "inconclusive", str(found), None)
        return judge(target, found, configuration, today)

    return made


def _free() -> int:
    """Bytes that the machine can still give; plenty where it does not say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 1 << 62

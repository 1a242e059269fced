"""One diagnosis, from outside: runs the children, at the chosen sizes, and reads their evidence."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import compile_doctor
from compile_doctor.analysis.attention.growth import size_outcome
from compile_doctor.capture.store import CaptureDirectory, rung_name
from compile_doctor.errors import UsageError
from compile_doctor.model.asked import Asked, Settings
from compile_doctor.model.evidence import Child, Evidence, Rung
from compile_doctor.model.size_outcome import SizeOutcome
from compile_doctor.processes.children import Start, child_environment, require_torch, watch
from compile_doctor.processes.scratch import scratch
from compile_doctor.run import clean_cache
from compile_doctor.run import size_ladder as ladder
from compile_doctor.run.clean_cache import is_worth_a_try
from compile_doctor.run.progress import Progress
from compile_doctor.targets.target import Target


def diagnose(
    target: Target, settings: Settings, capture: Path, keep: bool, progress: Progress, start: Start = watch
) -> Evidence:
    """Runs the target in a child process, at several sizes if `--tokens` asks for it; returns the evidence."""
    if settings.tokens is not None and len(ladder.sizes(settings.tokens)) > 1:
        return _climb(target, settings, capture, keep, progress, start)
    return one_size(target, settings, capture, keep, progress, start)


def _asked(target: Target, settings: Settings, keep: bool) -> Asked:
    return Asked(target.text, os.getcwd(), compile_doctor.__version__, not keep, options=settings)


def one_size(
    target: Target,
    settings: Settings,
    capture: Path,
    keep: bool,
    progress: Progress,
    start: Start = watch,
    control: bool = True,
) -> Evidence:
    """Runs one child process, and an eager one if the first died before its own eager run."""
    require_torch()
    directory = CaptureDirectory(capture, _asked(target, settings, keep))
    children: tuple[Child, ...] = (
        _child("diagnose", target, settings, directory.path, keep, progress, control, start),
    )
    seen = directory.read(children)
    if is_worth_a_try(settings, children[0], seen):
        progress.say(
            "compiling failed; compiling again with an empty Inductor cache, to see whether the cache is damaged"
        )
        with scratch("cache") as empty:
            _child("clean-cache", target, settings, directory.path, False, progress, control, start, empty)
        directory.forget()
    unfinished = seen.phases.get("compiled") in ("begun", "failed") and seen.phases.get("eager") is None
    # A size of the ladder that fails is run in eager mode too: the model may not support it at all.
    failed = seen.phases.get("compiled") == "failed" and not seen.attention.refused
    if unfinished and (control or failed) and children[0].ended in ("signal", "exited"):
        progress.say("the compiled run failed; running in eager mode to see whether torch.compile is the cause")
        children += (_child("control", target, settings, directory.path, False, progress, control, start),)
    return directory.close(children)


def _climb(target: Target, settings: Settings, capture: Path, keep: bool, progress: Progress, start: Start) -> Evidence:
    """From a small size to the requested one, as long as the verdict is open and the dense path would fit."""
    top = CaptureDirectory(capture, _asked(target, settings, keep))
    assert settings.tokens is not None
    left = settings.timeout
    wanted = ladder.sizes(settings.tokens)
    rungs: list[Rung] = []
    ran: list[SizeOutcome] = []
    stopped = ""
    for size in wanted:
        needed = ran[-1].dense_need(size) if ran else None
        if ran and not stopped:
            stopped = ladder.stop(ran, size)
            if not stopped and not ran[-1].has_attention and size != wanted[-1]:
                continue  # nothing to measure the growth of
        if stopped:  # sizes after one that was not run are not run either, but their memory need is reported
            rungs.append(Rung(size, None, stopped, needed))
            continue
        progress.say(f"{size:,} tokens ({wanted.index(size) + 1} of {len(wanted)})")
        one = replace(settings, tokens=size, timeout=max(1.0, left))
        evidence = one_size(target, one, capture / rung_name(size), keep, progress, start, control=not ran)
        left -= sum(child.seconds or 0.0 for child in evidence.children)  # without the time before they started
        refusal = ladder.refusal(evidence) if size != wanted[-1] else ""
        if refusal:  # compile-doctor chose this size, not the user: not an error of the model
            rungs.append(Rung(size, None, refusal))
            continue
        if evidence.facts.not_a_target or evidence.facts.usage:
            return evidence
        if size != wanted[-1]:
            ran.append(size_outcome(size, evidence, rungs))
        rungs.append(Rung(size, evidence, predicted=needed))
    return top.close_rungs(rungs)


def _child(
    mode: str,
    target: Target,
    settings: Settings,
    directory: Path,
    keep: bool,
    progress: Progress,
    control: bool,
    start: Start,
    empty: Path | None = None,
) -> Child:
    """Runs compile_doctor.probe once; returns how it ended."""
    wanted = {
        **asdict(settings),
        "run": mode,
        "control": control,
        "target": target.text,
        "path": str(target.path) if target.path else None,
        "module": target.module,
        "attr": target.attr,
        "search": list(target.search),
        "directory": str(directory),
        "bytecode": keep,
        "cache": [str(one) for one in clean_cache.folders()],
    }
    file = directory / f".settings-{mode}.json"
    file.write_text(json.dumps(wanted), encoding="utf-8")
    environment = child_environment(os.environ, str(directory / "trace") if mode == "diagnose" else None)
    if empty is not None:
        environment = clean_cache.environment(environment, empty)
    try:
        with progress.task(f"running {target.text}" if mode == "diagnose" else "eager control run"):
            command = [sys.executable, "-m", "compile_doctor.probe", str(file)]
            return Child(**start("diagnose" if empty else mode, command, environment, settings.timeout))
    finally:
        file.unlink(missing_ok=True)


def run_command(
    command: Sequence[str],
    timeout: float | None,
    capture: Path,
    keep: bool,
    patches: str | None = None,
    start: Start | None = None,
    memory: bool = False,
) -> Evidence:
    """Runs a command that calls torch.compile itself, and observes every Python process in it; returns the evidence.

    `patches` (auto or ids) are applied in each of those processes, and `memory` measures attention's memory there.

    Raises UsageError if the command cannot be started.
    """
    text = shlex.join([Path(command[0]).name, *command[1:]])
    asked = Asked(
        text, os.getcwd(), compile_doctor.__version__, not keep, tuple(command), patches=patches, memory=memory
    )
    directory = CaptureDirectory(capture, asked)
    site = str(Path(compile_doctor.__file__).resolve().parent / "probe" / "entry" / "site")
    environment = dict(os.environ)
    environment["TORCH_TRACE"] = str(directory.path / "trace")
    environment["COMPILE_DOCTOR_CAPTURE"] = str(directory.path)
    if timeout is not None:  # ranks write where they stand before it ends
        environment["COMPILE_DOCTOR_DEADLINE"] = str(time.time() + timeout)
    if patches:
        environment["COMPILE_DOCTOR_PATCHES"] = patches
    environment.pop("COMPILE_DOCTOR_MEMORY", None)
    if memory:
        environment["COMPILE_DOCTOR_MEMORY"] = "1"
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [site, environment.get("PYTHONPATH", "")]))
    try:
        if start is None:
            child = watch("command", command, environment, timeout, None, leave=True)
        else:
            child = start("command", command, environment, timeout)
    except OSError as error:
        raise UsageError(f"{command[0]} cannot be started: {error.strerror}.") from error
    return directory.close((Child(**child),))

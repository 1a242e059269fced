"""Runs a benchmark: one child plans it, then one measures each case and size, never two at the same time."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from compile_doctor.bench.read import Events, rows_of
from compile_doctor.bench.result import Bench, Row, ranked
from compile_doctor.errors import DoctorError, UsageError
from compile_doctor.processes.children import Start, child_environment, require_torch, watch
from compile_doctor.run.progress import Progress
from compile_doctor.targets.target import Target, not_a_target


@dataclass(frozen=True)
class BenchSettings:
    """The options of `bench`; None means the default of torch, or of the suite."""

    tokens: tuple[int, ...] = ()
    """Sizes, smallest first; empty for a target with one size."""
    batch: int = 1
    heads: int = 8
    kv_heads: int | None = None
    head_dim: int = 64
    dtype: str = "float32"
    device: str | None = None
    only: tuple[str, ...] = ()
    """Patterns for the names of cases and implementations."""
    backend: str | None = None
    mode: str | None = None
    dynamic: bool | None = None
    grad: bool = False
    as_is: bool = False
    seconds: float = 0.5
    """Seconds of measuring for each row."""
    timeout: float = 600.0
    """Seconds for each process, that is for each case at one size."""
    memory_limit: int | None = None
    patches: str | None = None


class NothingToMeasureError(DoctorError):
    """The planning child died or timed out, so it is unknown what there is to measure: exit code 3."""

    exit_code = 3


OF_ATTENTION = ("batch", "heads", "kv_heads", "head_dim", "dtype")
OF_MODELS = ("backend", "mode", "dynamic", "as_is")
SIZES = (512, 1024, 2048)
"""The default sizes of attention."""


def bench(
    target: Target | None,
    settings: BenchSettings,
    given: Collection[str],
    folder: Path,
    progress: Progress,
    start: Start = watch,
) -> Bench:
    """Measures the target, or attention itself if it is None. The children, run by `start`, write their events into `folder`.

    `given` names the settings that the user chose. Raises UsageError if the target is not valid or cannot be imported,
    and for options that do not fit it; NothingToMeasureError if the process that plans the benchmark dies or times out.
    """
    if settings.kv_heads and settings.heads % settings.kv_heads:
        raise UsageError(
            f"--heads {settings.heads} is not a multiple of --kv-heads {settings.kv_heads}.",
            hint="Each key head serves the same number of query heads: change one of the two options.",
        )
    require_torch()
    runner = _Runner(target, settings, folder, progress, start)
    planned = runner.child("plan", "reading " + runner.subject)
    if planned.groups is None:
        message = f"{runner.subject} could not be loaded: {planned.why()}."
        raise UsageError(message) if planned.failure else NothingToMeasureError(message)
    _check_options(planned.kind, given)
    groups = _chosen(planned.groups, settings.only)
    sizes: Sequence[int | None] = settings.tokens or (SIZES if planned.kind == "attention" else (None,))
    load = _load()
    todo = [(group, tokens) for group in groups for tokens in sizes]
    rows: list[Row] = []
    events, interrupted = planned, False
    for number, (group, tokens) in enumerate(todo, 1):
        where = group["case"] + (f", {tokens:,} tokens" if tokens is not None else "")
        try:
            found, events = runner.contest(group, tokens, f"{where} ({number} of {len(todo)})", events)
        except KeyboardInterrupt:  # what was measured took minutes, so it is shown
            interrupted = True
            events.notes.append(f"interrupted at {where}: {len(todo) - number + 1} of {len(todo)} tables are missing")
            break
        rows += found
    return Bench(
        subject=runner.subject,
        environment={**events.environment, **load},
        inputs=_inputs(settings, planned, sizes),
        rows=ranked(rows),
        patches=tuple(events.patches[name] for name in sorted(events.patches)),
        notes=tuple(dict.fromkeys(events.notes)),
        interrupted=interrupted,
    )


class _Runner:
    def __init__(
        self, target: Target | None, settings: BenchSettings, folder: Path, progress: Progress, start: Start
    ) -> None:
        self.start = start
        self.target = target
        self.settings = settings
        self.folder = folder
        self.progress = progress
        self.subject = target.text if target else "suite"
        self._count = 0

    def contest(
        self, group: dict[str, Any], tokens: int | None, where: str, events: Events
    ) -> tuple[list[Row], Events]:
        """One case at one size. If an implementation ends the process, only its row fails: a new process does the rest."""
        names: list[str] = group["implementations"]
        rows: dict[str, Row] = {}
        dead: list[str] = []
        left = list(names)
        while left:
            seen = self.child("work", where, case=group["case"], tokens=tokens, implementations=left, dead=dead)
            events = events.with_more(seen)
            found = rows_of(seen, group["case"], tokens, left)
            rows.update({row.implementation: row for row in found})
            dead += [row.implementation for row in found if row.status in ("died", "timed-out")]
            left = [name for name in left if name not in rows]
        return [rows[name] for name in names], events

    def child(self, run: str, doing: str, **more: Any) -> Events:
        """Runs one process. Returns its events. Raises UsageError if it reports one, KeyboardInterrupt for Ctrl-C."""
        self._count += 1
        directory = self.folder / f"{self._count:03}-{run}"
        directory.mkdir(parents=True)
        target = self.target
        wanted = {
            **asdict(self.settings),
            "case": "",
            **more,
            "run": run,
            "tokens": more.get("tokens", self.settings.tokens[0] if self.settings.tokens else None),
            "target": target.text if target else None,
            "path": str(target.path) if target and target.path else None,
            "module": target.module if target else None,
            "attr": target.attr if target else None,
            "search": list(target.search) if target else [],
            "directory": str(directory),
        }
        file = directory / "settings.json"
        file.write_text(json.dumps(wanted), encoding="utf-8")
        command = [sys.executable, "-m", "compile_doctor.probe.bench", str(file)]
        with self.progress.task(doing):
            ended = self.start(run, command, child_environment(os.environ, None), self.settings.timeout)
        if ended["ended"] == "interrupted":
            raise KeyboardInterrupt
        events = Events.read(directory, ended)
        if events.usage:
            raise UsageError(events.usage, hint=not_a_target() if events.not_a_target else "")
        return events


def _chosen(groups: list[dict[str, Any]], only: Sequence[str]) -> list[dict[str, Any]]:
    """The cases and implementations that `--only` selects. As in `parity`, a pattern selects what it matches.

    Raises UsageError for a pattern that matches nothing.
    """
    cases = [group["case"] for group in groups]
    names = list(dict.fromkeys(name for group in groups for name in group["implementations"]))
    for pattern in only:
        if not any(fnmatch(name, pattern) for name in (*cases, *names)):
            raise UsageError(
                f"--only {pattern!r} matches nothing. Cases: {', '.join(cases)}. Implementations: {', '.join(names)}."
            )
    kept_cases = [one for one in cases if any(fnmatch(one, pattern) for pattern in only)] or cases
    kept_names = [one for one in names if any(fnmatch(one, pattern) for pattern in only)] or names
    chosen = [
        {"case": group["case"], "implementations": [one for one in group["implementations"] if one in kept_names]}
        for group in groups
        if group["case"] in kept_cases
    ]
    return [group for group in chosen if group["implementations"]]


def _check_options(kind: str, given: Collection[str]) -> None:
    """Raises UsageError for an option that has no effect on this kind of target."""
    others = OF_MODELS if kind == "attention" else OF_ATTENTION
    wrong = [f"--{name.replace('_', '-')}" for name in others if name in given]
    if wrong:
        is_for = (
            "a model, but this measures attention" if kind == "attention" else "attention, but the target is a model"
        )
        raise UsageError(f"{', '.join(wrong)}: only valid for {is_for}.", hint=f"Omit {', '.join(wrong)}.")


def _load() -> dict[str, Any]:
    """The load of the machine before anything is measured: over the last minute, with our planning process."""
    try:
        return {"load_average": round(os.getloadavg()[0], 2), "cores": os.cpu_count()}
    except (AttributeError, OSError):
        return {"load_average": None, "cores": os.cpu_count()}


def _inputs(settings: BenchSettings, planned: Events, sizes: Sequence[int | None]) -> dict[str, Any]:
    """The settings that had an effect: shapes for attention, torch.compile's options for a model."""
    found: dict[str, Any] = {"convention": planned.convention, "tokens": [size for size in sizes if size is not None]}
    names = OF_ATTENTION if planned.kind == "attention" else OF_MODELS
    return {**found, **{name: getattr(settings, name) for name in (*names, "grad")}}

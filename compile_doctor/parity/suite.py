"""Runs the suite: sends units of work to worker processes, restarts workers that die, and collects the cells."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from compile_doctor.errors import DoctorError, UsageError
from compile_doctor.parity.kept import Kept, place_of
from compile_doctor.parity.result import Cell, Parity
from compile_doctor.parity.worker import Worker, WorkerDiedError
from compile_doctor.processes.children import require_torch
from compile_doctor.processes.scratch import scratch
from compile_doctor.run.progress import Progress
from compile_doctor.targets.signature import source_file
from compile_doctor.targets.target import Target

_DEATHS = 3
"""If this many workers die between the cells of a unit, the rest of the unit fails: it cannot run."""


@dataclass(frozen=True)
class SuiteSettings:
    """The options of `parity --suite`, or of `parity` for an attention function."""

    dtypes: tuple[str, ...] = ("float32",)
    directions: tuple[str, ...] = ("forward", "backward")
    device: str = "cpu"
    only: tuple[str, ...] = ()
    seed: int = 0
    threads: int = 1
    """Threads of torch in each worker."""
    timeout: float = 300.0
    """Seconds for one cell, including its compilation."""
    patches: str | None = None
    target: str | None = None
    """The attention function as the user wrote it; None for torch's own implementations."""
    path: str | None = None
    module: str | None = None
    attr: str | None = None
    name: str = "target"
    """The name of its column."""


@dataclass
class _Run:
    """What the threads of the workers share; `lock` guards everything."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    plan: dict[str, Any] | None = None
    queue: deque[dict[str, Any]] = field(default_factory=deque)
    cells: dict[tuple[str, ...], Cell] = field(default_factory=dict)
    recipes: set[str] = field(default_factory=set)
    """Recipes that were active while a cell was computed."""
    kept: Kept = field(default_factory=lambda: Kept(None, False))
    resumed: int = 0
    """Cells that an earlier run has computed."""
    stopped: bool = False
    """Whether Ctrl-C ended it: then a worker that dies says nothing about its cell."""
    problem: DoctorError | None = None
    at: str = "starting"

    @property
    def total(self) -> int:
        return sum(len(unit["cells"]) for unit in self.plan["units"]) if self.plan else 0


def run_suite(settings: SuiteSettings, jobs: int, progress: Progress, resume: bool = False) -> Parity:
    """All selected cells, in the order of the table. A cell that killed its worker is a FAIL, with the reason.

    After Ctrl-C, those that were computed. With `resume`, those of the last run with the same settings are kept. Raises UsageError for settings that are not possible here, and DoctorError (exit code 3) if no worker can start.
    """
    require_torch()
    about = {name: value for name, value in asdict(settings).items() if name != "timeout"}
    kept = Kept(place_of(about, _source(settings)), resume)
    run = _Run(kept=kept)
    with scratch() as folder:
        file = folder / "settings.json"
        file.write_text(json.dumps(asdict(settings)), encoding="utf-8")
        workers = [Worker(file, folder / f"worker-{number}.txt", settings) for number in range(jobs)]
        threads = [threading.Thread(target=_serve, args=(run, worker), daemon=True) for worker in workers]
        try:
            with progress.task(lambda: f"{len(run.cells)} of {run.total} cells, {run.at}" if run.plan else run.at):
                for thread in threads:
                    thread.start()
                for thread in threads:
                    while thread.is_alive():  # a join without a timeout would delay Ctrl-C
                        thread.join(0.2)
        except KeyboardInterrupt:
            with run.lock:
                run.stopped = True
            if run.plan is None:
                raise
        finally:
            for worker in workers:
                worker.end()
            kept.close()
    if run.problem is not None:
        raise run.problem
    assert run.plan is not None
    environment = {name: value for name, value in run.plan["environment"].items() if name != "torch_root"}
    cells = [run.cells[key] for key in _keys(run.plan["units"]) if key in run.cells]
    return Parity(
        settings.target or "suite", environment, tuple(cells), notes=_notes(run), missing=run.total - len(cells)
    )


def _source(settings: SuiteSettings) -> Path | None:
    if settings.target is None:
        return None
    return source_file(Target(settings.target, Path(settings.path) if settings.path else None, settings.module))


def _serve(run: _Run, worker: Worker) -> None:
    """The thread of one worker, until there is no work left or the run has a problem."""
    try:
        while run.problem is None and not run.stopped:
            if not worker.running and not _start(run, worker):
                return
            with run.lock:
                unit = run.queue.popleft() if run.queue else None
            if unit is None:
                return
            try:
                _unit(run, worker, unit)
            except WorkerDiedError as death:
                _worker_died(run, unit, death)
    except DoctorError as error:
        run.problem = run.problem or error
    except Exception as error:  # a thread must not die silently
        run.problem = run.problem or _inconclusive(f"A worker of the suite failed: {type(error).__name__}: {error}")


def _start(run: _Run, worker: Worker) -> bool:
    """Starts a process and reads its plan; the first plan becomes that of the run. False if no work is left."""
    with run.lock:
        if run.plan is not None and not run.queue:
            return False
    try:
        first = worker.start()
    except WorkerDiedError as death:
        raise _inconclusive(f"A worker of the suite could not start: {death}") from death
    if first["kind"] == "usage":
        raise UsageError(first["message"])
    with run.lock:
        if run.plan is None:
            run.plan = first
            wanted = set(_keys(first["units"]))
            for cell, recipes in run.kept.begin(first["environment"]):
                place = (cell.case, cell.heads, cell.dtype, cell.direction, cell.implementation)
                if place in wanted:
                    run.cells[place] = cell
                    run.recipes.update(recipes)
            run.resumed = len(run.cells)
            run.queue.extend(
                {**unit, "cells": left, "deaths": 0} for unit in first["units"] if (left := _left(run, unit))
            )
    return True


def _unit(run: _Run, worker: Worker, unit: dict[str, Any]) -> None:
    for message in worker.work(unit):
        if message["kind"] == "begin":
            run.at = f"{unit['case']} {unit['heads']} {unit['dtype']} {message['implementation']}"
        if message["kind"] == "cell":
            _add(run, unit, message)


def _add(run: _Run, unit: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    place = (unit["case"], unit["heads"], unit["dtype"], found["direction"], found["implementation"])
    figures = (found.get("max_error"), found.get("tolerance"), found.get("reason"), found.get("known"))
    with run.lock:
        if run.stopped:
            return
        run.cells[place] = Cell(*place, found["status"], *figures)
        run.recipes.update(found.get("recipes", ()))
        run.kept.add(run.cells[place], list(found.get("recipes", ())))


def _worker_died(run: _Run, unit: dict[str, Any], death: WorkerDiedError) -> None:
    """The cell that was running fails; the rest of the unit returns to the queue."""
    if death.cell is not None:
        _add(run, unit, {**death.cell, "status": "FAIL", "reason": str(death)})
    with run.lock:
        left = _left(run, unit)
    deaths = unit["deaths"] + (death.cell is None)
    if deaths >= _DEATHS:
        for name, direction in left:
            _add(run, unit, {"implementation": name, "direction": direction, "status": "FAIL", "reason": str(death)})
    elif left:
        with run.lock:
            run.queue.appendleft({**unit, "cells": left, "deaths": deaths})


def _left(run: _Run, unit: Mapping[str, Any]) -> list[list[str]]:
    """The cells of a unit that are not computed yet."""
    place = (unit["case"], unit["heads"], unit["dtype"])
    return [[name, direction] for name, direction in unit["cells"] if (*place, direction, name) not in run.cells]


def _keys(units: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    return [
        (unit["case"], unit["heads"], unit["dtype"], direction, name)
        for unit in units
        for name, direction in unit["cells"]
    ]


def _notes(run: _Run) -> tuple[str, ...]:
    found = [f"with recipes: {', '.join(sorted(run.recipes))}"] if run.recipes else []
    if run.resumed:
        found.append(f"{run.resumed:,} of {run.total:,} comparisons are from an earlier run (--resume)")
    if run.stopped:
        missing = f"{run.total - len(run.cells):,} of {run.total:,} comparisons are missing"
        found.append(f"interrupted: {missing}; the same command with --resume goes on with them")
    return tuple(found)


def _inconclusive(message: str) -> DoctorError:
    error = DoctorError(message)
    error.exit_code = 3
    return error

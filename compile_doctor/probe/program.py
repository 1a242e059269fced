"""Observes a program that compiles by itself: waits for Dynamo to be imported, then listens, until the process ends."""

from __future__ import annotations

import atexit
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from compile_doctor.imports import ImportWatcher
from compile_doctor.probe.events import EventLog

if TYPE_CHECKING:
    from compile_doctor.probe.attention import Observer

DYNAMO = "torch._dynamo.convert_frame"


def observe(directory: str) -> None:
    """Costs nothing until the program imports Dynamo, which it does when it first compiles."""
    log = EventLog(Path(directory))
    # An observer must never break the program's import.
    watcher = ImportWatcher(
        lambda _, error: log.write("note", text=f"logs are not observed: {type(error).__name__}: {error}")
    )
    watcher.after(DYNAMO, lambda _: _begin(log))
    watcher.install()
    previous = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        if "torch" in sys.modules and not isinstance(error, (KeyboardInterrupt, SystemExit)):
            from compile_doctor.probe.failures import describe

            log.write("failure", phase="compiled", **describe(error))
        previous(kind, error, traceback)

    sys.excepthook = hook


def _begin(log: EventLog) -> None:
    from compile_doctor.probe.attention import Observer
    from compile_doctor.probe.environment import describe_environment
    from compile_doctor.probe.logs import listen

    log.write("start", argv=sys.argv, python=sys.version.split()[0], rank=os.environ.get("RANK"))
    log.write("environment", **describe_environment(None))
    listen(log)
    observer = Observer(log, guard=False)
    observer.install()
    log.write("attention-watched")
    atexit.register(_end, log, observer)


def _end(log: EventLog, observer: Observer) -> None:
    import torch

    from compile_doctor.patching import waiting
    from compile_doctor.probe.environment import describe_environment
    from compile_doctor.probe.logs import write_counts

    log.write("environment", **describe_environment("cuda" if torch.cuda.is_initialized() else "cpu"))
    write_counts(log)
    observer.write_counts()
    if waiting.is_waiting():
        log.write("patches", recipes=waiting.outcomes())

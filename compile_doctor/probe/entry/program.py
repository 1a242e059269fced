"""Observes a program that calls torch.compile itself: waits until Dynamo is imported, then observes to the end."""

from __future__ import annotations

import atexit
import os
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn

from compile_doctor.capture import schema
from compile_doctor.probe.observe import ranks
from compile_doctor.probe.observe.events import EventLog
from compile_doctor.recipes.imports import ImportWatcher

if TYPE_CHECKING:
    from compile_doctor.probe.memory.running import RunningMemory
    from compile_doctor.probe.observe.attention import Observer

DYNAMO = "torch._dynamo.convert_frame"


def observe(directory: str) -> None:
    """Starts observing this process. Costs nothing until the program imports Dynamo, at its first compilation."""
    log = EventLog(Path(directory))
    # An observer must never break the program's import.
    watcher = ImportWatcher(
        lambda _, error: log.write(schema.Lost(text=f"logs are not observed: {type(error).__name__}: {error}"))
    )
    watcher.after(DYNAMO, lambda _: _begin(log))
    ranks.watch_mesh(log, watcher)
    ranks.watch_stages(log, watcher)
    watcher.install()
    if "RANK" in os.environ:
        ranks.watch_deadline(log)
        atexit.register(_end_of_rank, log, os.getpid())
    previous = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        if "torch" in sys.modules and not isinstance(error, (KeyboardInterrupt, SystemExit)):
            from compile_doctor.probe.observe.failures import describe

            ranks.identify(log)
            log.write(schema.Raised(phase="compiled", **describe(error)))
            if DYNAMO not in sys.modules:  # nothing was compiled, and no other record comes
                atexit.unregister(_end_of_rank)
                log.end()
        previous(kind, error, traceback)

    sys.excepthook = hook


def _end_of_rank(log: EventLog, begun: int) -> None:
    """A rank that compiled nothing says so: without a record, it would look as if it had never run."""
    if os.getpid() == begun and DYNAMO not in sys.modules and "torch.distributed" in sys.modules:
        ranks.identify(log)
        log.end()


def _begin(log: EventLog) -> None:
    from compile_doctor.probe.environment import describe_environment
    from compile_doctor.probe.observe import guards
    from compile_doctor.probe.observe.attention import Observer
    from compile_doctor.probe.observe.logs import listen

    log.write(
        schema.Start(
            argv=sys.argv,
            python=sys.version.split()[0],
            rank=os.environ.get("RANK"),
            path=[str(one) for one in sys.path],
        )
    )
    ranks.identify(log)
    log.write(schema.Environment(describe_environment(None)))
    listen(log)
    guards.watch(log)
    observer = Observer(log, guard=False)
    observer.install()
    log.write(schema.AttentionWatched())
    memory = None
    if os.environ.get("COMPILE_DOCTOR_MEMORY") == "1":
        from compile_doctor.probe.memory.running import RunningMemory

        memory = RunningMemory(log)
        observer.window = memory.window
    atexit.register(_end, log, observer, memory, os.getpid())
    _end_before_leaving(log, observer, memory, os.getpid())


def _end_before_leaving(log: EventLog, observer: Observer, memory: RunningMemory | None, begun: int) -> None:
    """Writes the last record before os._exit: a forked process, also one of multiprocessing's, leaves so, without atexit."""
    leave = os._exit

    def _exit(status: int) -> NoReturn:
        with suppress(Exception):  # the process must leave even if the record cannot be written
            _end(log, observer, memory, begun)
        leave(status)

    os._exit = _exit


def _end(log: EventLog, observer: Observer, memory: RunningMemory | None, begun: int) -> None:
    if os.getpid() != begun:
        # A fork: Dynamo's counters began with those of its parent. One that compiled nothing writes no record.
        if log.begun:
            observer.write_counts()
            if memory:
                memory.write()
            log.end()
        return

    from compile_doctor.probe import devices
    from compile_doctor.probe.environment import describe_environment
    from compile_doctor.probe.observe.logs import write_counts
    from compile_doctor.recipes import waiting

    ranks.identify(log)
    log.write(schema.Environment(describe_environment(devices.in_use().type)))
    write_counts(log)
    observer.write_counts()
    if memory:
        memory.write()
    if waiting.is_waiting():
        log.write(schema.Patches(recipes=waiting.outcomes()))
    log.end()

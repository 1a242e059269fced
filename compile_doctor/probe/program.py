"""Observes a program that compiles by itself: waits for Dynamo to be imported, then listens, until the process ends."""

from __future__ import annotations

import atexit
import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any

from compile_doctor.probe.events import EventLog

if TYPE_CHECKING:
    from compile_doctor.probe.attention import Observer

DYNAMO = "torch._dynamo.convert_frame"


def observe(directory: str) -> None:
    """Costs nothing until the program imports Dynamo, which it does when it first compiles."""
    log = EventLog(Path(directory))
    sys.meta_path.insert(0, _AfterDynamo(log))
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

    from compile_doctor.probe.environment import describe_environment
    from compile_doctor.probe.logs import write_counts

    log.write("environment", **describe_environment("cuda" if torch.cuda.is_initialized() else "cpu"))
    write_counts(log)
    observer.write_counts()


class _AfterDynamo(importlib.abc.MetaPathFinder):
    """Lets the other finders find the module, and wraps the loader to be told when it has been executed."""

    def __init__(self, log: EventLog) -> None:
        self.log = log

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != DYNAMO:
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec is not None and spec.loader is not None:
            spec.loader = _Told(spec.loader, self.log)
        return spec


class _Told(importlib.abc.Loader):
    def __init__(self, loader: Any, log: EventLog) -> None:
        self.loader = loader
        self.log = log

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)  # type: ignore[no-any-return]

    def exec_module(self, module: ModuleType) -> None:
        self.loader.exec_module(module)
        try:
            _begin(self.log)
        except Exception as error:  # an observer must never break the program's import
            self.log.write("note", text=f"logs are not observed: {type(error).__name__}: {error}")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

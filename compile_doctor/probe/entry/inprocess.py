"""Observes what this process compiles while a block of code runs: the part of the probe that the test plugin uses."""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from compile_doctor.capture import schema
from compile_doctor.probe.observe.events import EventLog

_lock = threading.Lock()
_watcher: _Watcher | None = None


class _Switched(EventLog):
    """Writes while a block is open, and drops events between blocks: torch cannot remove the hooks."""

    def __init__(self) -> None:
        super().__init__(Path(os.devnull))
        self.open = False

    def write(self, event: Any) -> None:
        if self.open:
            super().write(event)

    def into(self, directory: Path) -> None:
        with self._lock:
            self.directory, self.broken, self._pid, self.open = directory, "", -1, True

    def done(self) -> None:
        self.end()
        with self._lock:
            if self._file is not None:
                os.close(self._file[0])
            self._file, self.open = None, False


class _Watcher:
    """One per process."""

    def __init__(self) -> None:
        importlib.import_module("torch._dynamo.convert_frame")
        from compile_doctor.probe.observe import guards
        from compile_doctor.probe.observe.attention import Observer
        from compile_doctor.probe.observe.logs import listen

        self.log = _Switched()
        listen(self.log)
        guards.watch(self.log)
        self.observer = Observer(self.log, guard=False)
        self.observer.install()


@contextmanager
def watch(directory: Path) -> Iterator[None]:
    """Writes events and torch's trace of the block into a capture directory. Raises RuntimeError if a block is open."""
    global _watcher
    if not _lock.acquire(blocking=False):
        raise RuntimeError("another block is already watched: blocks cannot be nested or run in two threads")
    try:
        if _watcher is None:
            _watcher = _Watcher()
        from compile_doctor.probe import compat
        from compile_doctor.probe.environment import describe_environment
        from compile_doctor.probe.observe.failures import describe
        from compile_doctor.probe.observe.logs import alone

        log, observer = _watcher.log, _watcher.observer
        observer.ran.clear()
        observer.dense.counts.clear()
        log.into(directory)
        log.write(schema.AttentionWatched())
        try:
            with compat.trace_into(str(directory / "trace")), alone():
                yield
        except Exception as error:
            log.write(schema.Raised(phase="compiled", **describe(error)))
            raise
        finally:
            log.write(schema.Environment(describe_environment("cpu")))
            observer.write_counts()
            log.done()
    finally:
        _lock.release()


def compile_and_call(
    function: Any,
    inputs: Any,
    backend: str | None = None,
    mode: str | None = None,
    dynamic: bool | None = None,
    grad: bool = False,
) -> None:
    """Compiles `function` and calls it twice, in a block of `watch`. Exceptions are recorded, and not raised again."""
    import torch

    given = {
        name: value for name, value in (("backend", backend), ("mode", mode), ("dynamic", dynamic)) if value is not None
    }
    arguments, words = (
        (inputs, {})
        if isinstance(inputs, (tuple, list))
        else ((), inputs)
        if isinstance(inputs, dict)
        else ((inputs,), {})
    )
    torch._dynamo.reset()
    assert _watcher is not None, "compile_and_call() needs an open block of watch()"
    compiled = torch.compile(function, **given)
    try:
        for _ in range(2):
            with torch.set_grad_enabled(grad):
                output = compiled(*arguments, **words)
            if grad:
                from compile_doctor.probe.calls import backward

                backward(output)
    except Exception as error:
        from compile_doctor.probe.observe.failures import describe

        _watcher.log.write(schema.Raised(phase="compiled", **describe(error)))

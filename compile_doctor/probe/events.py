"""Writes what the probe sees, one JSON object a line, flushed at once so that nothing is lost when the process dies."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO


class EventLog:
    """One file per process: a forked child opens its own at its first event."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._lock = threading.Lock()
        self._pid = -1
        self._file: TextIO | None = None

    def write(self, event: str, **values: Any) -> None:
        with self._lock:
            if self._pid != os.getpid() or self._file is None:
                self._pid = os.getpid()
                self._file = (self.directory / f"process-{self._pid}.jsonl").open("a", encoding="utf-8")
            self._file.write(json.dumps({"event": event, **values}, default=str) + "\n")
            self._file.flush()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Marks a phase as begun, done or failed, with its wall-clock seconds; records what it raised, and raises it on."""
        self.write("phase", name=name, state="begun")
        start = time.perf_counter()
        try:
            yield
        except BaseException as error:
            from compile_doctor.probe.failures import describe

            self.write("failure", phase=name, **describe(error))
            self.write("phase", name=name, state="failed", seconds=time.perf_counter() - start)
            raise
        self.write("phase", name=name, state="done", seconds=time.perf_counter() - start)

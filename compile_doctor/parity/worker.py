"""One worker process of the suite: it gets units of work, is read with a time limit, and is always ended."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compile_doctor.processes.children import Kept, child_environment, start

if TYPE_CHECKING:
    from compile_doctor.parity.suite import SuiteSettings

STARTING = 120.0
"""Seconds for the import of torch and of the target."""


class WorkerDiedError(Exception):
    """The process ended, or was ended, during its work; the message is the reason."""

    def __init__(self, message: str, cell: dict[str, Any] | None) -> None:
        super().__init__(message)
        self.cell = cell
        """The implementation and direction that were running; None between cells."""


class Worker:
    """A process that can be started again after it died. Only `end` may be called from another thread."""

    def __init__(self, settings_file: Path, output: Path, settings: SuiteSettings) -> None:
        self.settings_file = settings_file
        self.output = output
        """The file for the output of the process; with a target, the output goes to our stderr instead."""
        self.settings = settings
        self.kept: Kept | None = None
        self.late = False

    @property
    def running(self) -> bool:
        return self.kept is not None and self.kept.running

    def start(self) -> dict[str, Any]:
        """The process's first message: its plan, or a usage error. Raises WorkerDiedError."""
        environment = child_environment(os.environ, None)
        environment.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")  # a pool for each worker would cost more
        environment.setdefault(
            "OMP_WAIT_POLICY", "passive"
        )  # several processes share the cores, and the tensors are small
        command = [sys.executable, "-m", "compile_doctor.probe.parity", str(self.settings_file)]
        with self.output.open("w", encoding="utf-8") as output:
            self.kept = start(
                command,
                environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=sys.stderr if self.settings.target else output,
            )
        return self._read(STARTING, None)

    def work(self, unit: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """`begin` and `cell` messages until the unit is done. Raises WorkerDiedError."""
        assert self.kept is not None and self.kept.stdin is not None
        try:
            self.kept.stdin.write((json.dumps(unit) + "\n").encode())
            self.kept.stdin.flush()
        except OSError as error:
            raise WorkerDiedError(self._how(), None) from error
        cell: dict[str, Any] | None = None
        while True:
            message = self._read(self.settings.timeout if cell else STARTING, cell)
            if message["kind"] == "done":
                return
            cell = message if message["kind"] == "begin" else None
            yield message

    def _read(self, seconds: float, cell: dict[str, Any] | None) -> dict[str, Any]:
        assert self.kept is not None and self.kept.stdout is not None
        self.late = False
        watch = threading.Timer(seconds, self._too_late)
        watch.daemon = True
        watch.start()
        try:
            line = self.kept.stdout.readline()
        finally:
            watch.cancel()
        if not line.endswith(b"\n"):
            raise WorkerDiedError(self._how(f"timed out: no answer within {seconds:g} s" if self.late else ""), cell)
        message: dict[str, Any] = json.loads(line)
        return message

    def _too_late(self) -> None:
        self.late = True
        if self.kept is not None:
            self.kept.ask_to_end()

    def _how(self, late: str = "") -> str:
        assert self.kept is not None
        code = self.kept.wait()
        if late:
            return late
        name = "it was ended" if code is None else f"code {code}"
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):
                name = signal.Signals(-code).name
        lines = self.output.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = f": {lines[-1].strip()[:160]}" if lines else ""
        return f"the process died ({name}){last}"

    def end(self) -> None:
        """Ends the process and everything that it started."""
        if self.kept is not None:
            self.kept.end()

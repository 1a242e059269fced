"""Runs one command in its own process, and measures its time and its peak memory."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Finished:
    code: int
    stdout: str
    stderr: str
    seconds: float
    peak_mb: float
    """Peak resident memory in MB, of the process or of a child that it waited for, as the kernel counts it."""
    timed_out: bool = False

    def last_error(self) -> str:
        lines = [line for line in self.stderr.splitlines() if line.strip()]
        return "timed out" if self.timed_out else (lines[-1][:200] if lines else f"exit status {self.code}")


def run(command: Sequence[str | Path], env: Mapping[str, str] | None = None, timeout: float = 300) -> Finished:
    """Runs a command. Its output goes to files: a pipe would need a reader, whose work would be timed too."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=ROOT,
            env={**environment(), **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        expired = threading.Event()
        watch = threading.Timer(timeout, expire, (process.pid, expired))
        watch.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        finally:
            watch.cancel()
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        return Finished(process.returncode, text(out), text(err), seconds, usage.ru_maxrss / 1024, expired.is_set())


def environment() -> dict[str, str]:
    """Our environment, without the variables that enable torch's logs and traces, and with the checkout importable."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TORCH", "COMPILE_DOCTOR"))}
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**kept, "PYTHONPATH": os.pathsep.join(paths), "HF_HUB_OFFLINE": "1", "NO_COLOR": "1"}


def expire(pid: int, expired: threading.Event) -> None:
    """Kills the process group, because the target may have started compilers; it may have ended already."""
    expired.set()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")

"""Starts, watches and ends child processes with everything that they started, by means of a `keeper` for each."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import compile_doctor
from compile_doctor.clean import say
from compile_doctor.errors import InconclusiveError
from compile_doctor.processes import keeper

NOT_STARTED = "It was not run, because the check was ended."
NAMED = 10
"""How many processes are named; the others are counted."""
LAST = 4 * keeper.GRACE
"""Seconds to wait for a keeper after the limit, or after it was asked to end everything: it may have been stopped."""

STARTING = 60.0
"""Time limit for a keeper to start the child, in seconds; the machine may be busy."""

Start = Callable[[str, Sequence[str], Mapping[str, str], "float | None"], dict[str, Any]]
"""Runs a child of the probe to its end: (mode, command, environment, time limit in seconds) → how it ended, as in
`evidence.Child`. `watch` is one; `fork_server.ForkServer` has another."""


def child_environment(environment: Mapping[str, str], trace: str | None) -> dict[str, str]:
    """The child's environment: this package importable, and torch's structured trace into the folder `trace`."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(compile_doctor.__file__)))
    path = [entry for entry in environment.get("PYTHONPATH", "").split(os.pathsep) if entry]
    made = {**environment, "PYTHONPATH": os.pathsep.join([*path, root])}
    made.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler's messages would look like output of the target
    if trace is not None:
        made["TORCH_TRACE"] = trace
    return made


def require_torch() -> None:
    """Raises InconclusiveError if the Python that would run the target has no torch. Imports nothing."""
    try:
        found = find_spec("torch")
    except (ImportError, ValueError):
        found = None
    if found is None:
        raise InconclusiveError(
            f"torch is not installed for {sys.executable}, which runs the target.",
            "Install torch there, or install compile-doctor in the environment that has torch: the target needs both.",
        )


_running: set[Kept] = set()


def end_all() -> None:
    """Ends the children that other threads watch: Ctrl-C reaches only the main thread."""
    for kept in list(_running):
        kept.ask_to_end()


class Kept:
    """A child, and the channel to its keeper. One thread waits for the child, another may end it."""

    def __init__(self, channel: socket.socket, starting: float, process: subprocess.Popen[bytes] | None = None) -> None:
        channel.settimeout(starting)
        self._channel = channel
        self._lines = channel.makefile("r", encoding="utf-8", errors="replace", newline="\n")
        self._lock = threading.Lock()
        self._keeper = process
        self.stdin: IO[bytes] | None = process.stdin if process else None
        self.stdout: IO[bytes] | None = process.stdout if process else None
        self.pid: int | None = None
        self.code: int | None = None
        """Negative for a signal, as in `subprocess`; None if compile-doctor ended the child."""
        self.late = False
        """Whether the keeper was silent for too long."""
        self.why = ""
        """exited, timeout, stopped; `lost` if the keeper did not answer; empty while it runs."""
        self.left: list[tuple[str, str, str]] = []
        """Processes that were still running when the child had ended: (process id, fate, command)."""

    def begin(self, limit: float | None) -> bool:
        """Waits for the child's start. False if the keeper has ended. Raises OSError if the command cannot be started.

        `limit`: the time limit of the keeper in seconds, which may be silent until then.
        """
        word, _, rest = self._read()
        if word == "failed":
            self.close()
            raise OSError(int(rest), os.strerror(int(rest)))
        if word != "started":
            self.close()
            return False
        self.pid = int(rest)
        self._channel.settimeout(None if limit is None else limit + LAST)
        _running.add(self)
        return True

    def wait(self) -> int | None:
        """Waits for the end of the child and of what it started; returns the child's exit code."""
        with self._lock:
            while not self.why:
                word, _, rest = self._read()
                if word == "left":
                    process, fate, command = [*rest.split(" ", 2), "", ""][:3]
                    self.left.append((process, fate, command))
                elif word == "ended":
                    status, why = rest.split(" ")
                    self.code, self.why = None if status == "-" else int(status), why
                elif not word:
                    self._lost()
            self.close()
        return self.code

    @property
    def running(self) -> bool:
        return not self.why and (self._keeper is None or self._keeper.poll() is None)

    def end(self) -> None:
        """Ends the child and all that it started."""
        self.ask_to_end()
        if not self.why:
            self._channel.settimeout(LAST)
            self.wait()

    def ask_to_end(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._channel.sendall(b"end\n")

    def close(self) -> None:
        _running.discard(self)
        self._lines.close()
        self._channel.close()
        if self._keeper is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._keeper.wait(LAST)

    def _read(self) -> tuple[str, str, str]:
        """Three empty strings if the keeper has ended, or is silent for longer than the channel's timeout."""
        try:
            return self._lines.readline().rstrip("\n").partition(" ")
        except (OSError, ValueError) as error:
            self.late = isinstance(error, TimeoutError)
            return "", "", ""

    def _lost(self) -> None:
        """Ends what can be found without the keeper, after somebody has killed it."""
        self.why = "lost"
        for leader in (self.pid, self._keeper.pid if self._keeper else None):
            if leader is None:
                continue
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(leader, signal.SIGKILL)


def start(
    command: Sequence[str],
    environment: Mapping[str, str],
    limit: float | None = None,
    leave: bool = False,
    stdin: int | IO[Any] | None = subprocess.DEVNULL,
    stdout: int | IO[Any] | None = None,
    stderr: int | IO[Any] | None = None,
    share: Sequence[int] = (),
    cwd: Path | None = None,
) -> Kept:
    """Starts a child in a session of its own, with its output on our stderr. `share`: file numbers that it inherits.

    Raises OSError if the command cannot be started, InconclusiveError if Python cannot.
    """
    ours, theirs = socket.socketpair()
    number = str(theirs.fileno())
    seconds = "-" if limit is None else str(limit)
    keeping = [sys.executable, "-I", "-S", keeper.__file__, number, seconds, "leave" if leave else "end", *command]
    try:
        with theirs:
            process = subprocess.Popen(
                keeping,
                env=dict(environment),
                stdin=stdin,
                stdout=sys.stderr if stdout is None else stdout,
                stderr=sys.stderr if stderr is None else stderr,
                pass_fds=[theirs.fileno(), *share],
                start_new_session=True,
                cwd=cwd,
            )
    except OSError as error:
        raise InconclusiveError(f"{sys.executable} cannot be started: {error.strerror}.") from error
    kept = Kept(ours, STARTING, process)
    if not kept.begin(limit):
        raise InconclusiveError(f"{sys.executable} cannot be started: it ended with status {process.wait()}.")
    return kept


def ask(
    command: Sequence[str], environment: Mapping[str, str], timeout: float | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """As `subprocess.run`, for a process of compile-doctor. Raises subprocess.TimeoutExpired."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        kept = start(command, environment, timeout, stdout=out, stderr=err, cwd=cwd)
        try:
            code = kept.wait()
        finally:
            kept.end()
        if kept.why == "timeout":
            raise subprocess.TimeoutExpired(command, timeout or 0)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
    return subprocess.CompletedProcess(command, -signal.SIGKILL if code is None else code, *texts)


def watch(
    mode: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    timeout: float | None,
    stdin: int | None = subprocess.DEVNULL,
    leave: bool = False,
) -> dict[str, Any]:
    """Runs a command to its end, and ends all of it on timeout and Ctrl-C. `leave`: what has left its session may stay.

    Raises OSError if it cannot be started.
    """
    return result(mode, start(command, environment, timeout, leave, stdin))


def result(mode: str, kept: Kept) -> dict[str, Any]:
    """Waits for a child; returns how it ended, as in `evidence.Child`. Names on stderr what it left behind."""
    began = time.monotonic()
    ended = {"stopped": "interrupted", "lost": "interrupted"}
    try:
        kept.wait()
    except KeyboardInterrupt:
        kept.end()
        kept.why, kept.code = "stopped", None
    name_left(kept.left)
    return how_it_ended(mode, ended.get(kept.why, kept.why), kept.code, time.monotonic() - began)


def name_left(left: Sequence[tuple[str, str, str]]) -> None:
    """Reports on stderr which processes were still running when their parent had ended, and what happened to them."""
    fates = {
        "stopped": "was still running when the target ended, and was stopped",
        "running": "is still running: it could not be stopped",
        "kept": "is still running: it left the command's session, and was not stopped",
    }
    for process, fate, command in left[:NAMED]:
        say(f"compile-doctor: process {process} ({' '.join(command.split())}) {fates.get(fate, fate)}.")
    if len(left) > NAMED:
        say(f"compile-doctor: {len(left) - NAMED} more processes were still running when the target ended.")


def how_it_ended(mode: str, ended: str, code: int | None, seconds: float) -> dict[str, Any]:
    """`code` is negative for a signal, as in `subprocess`; None if compile-doctor ended the child."""
    name = None
    if code is not None and code < 0:
        ended = "signal"
        with contextlib.suppress(ValueError):
            name = signal.Signals(-code).name
        name = name or f"signal {-code}"
    return {"mode": mode, "exit_code": code, "signal": name, "ended": ended, "seconds": round(seconds, 3)}

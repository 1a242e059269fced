"""Child processes: started, watched, and ended with everything that they started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import compile_doctor

GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL."""
NOT_STARTED = "It was not run: the check was ended."

Start = Callable[[str, Sequence[str], Mapping[str, str], "float | None"], dict[str, Any]]
"""Runs a child of the probe to its end: (mode, command, environment, seconds it may take) to how it ended, as in
`evidence.Child`. `watch` is one; `forks.ForkServer` has another."""


def child_environment(environment: Mapping[str, str], trace: str | None) -> dict[str, str]:
    """The child's environment: this package importable, and torch's structured trace into the folder `trace`."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(compile_doctor.__file__)))
    path = [entry for entry in environment.get("PYTHONPATH", "").split(os.pathsep) if entry]
    made = {**environment, "PYTHONPATH": os.pathsep.join([*path, root])}
    made.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler's notices would look like the target's
    if trace is not None:
        made["TORCH_TRACE"] = trace
    return made


_running: set[int] = set()


def end_all() -> None:
    """Ends what other threads are watching: Ctrl-C reaches only the main thread."""
    for leader in list(_running):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGTERM)


@contextlib.contextmanager
def known(leader: int) -> Iterator[None]:
    """Lets `end_all` know of a process for a while."""
    _running.add(leader)
    try:
        yield
    finally:
        _running.discard(leader)


def watch(
    mode: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    timeout: float | None,
    stdin: int | None = subprocess.DEVNULL,
) -> dict[str, Any]:
    """Runs a command in a session of its own, its output on our stderr, and ends all of it on time-out and Ctrl-C."""
    start = time.monotonic()
    process = subprocess.Popen(
        command, env=dict(environment), stdin=stdin, stdout=sys.stderr, stderr=sys.stderr, start_new_session=True
    )
    ended = "exited"
    try:
        with known(process.pid):
            code: int | None = process.wait(timeout)
    except subprocess.TimeoutExpired:
        ended, code = "timeout", None
    except KeyboardInterrupt:
        ended, code = "interrupted", None
    finally:
        end_group(process.pid, process.wait)
    return how_it_ended(mode, ended, code, time.monotonic() - start)


def how_it_ended(mode: str, ended: str, code: int | None, seconds: float) -> dict[str, Any]:
    """`code` is negative for a signal, as in `subprocess`; None where the child was ended by us."""
    name = None
    if code is not None and code < 0:
        ended = "signal"
        with contextlib.suppress(ValueError):
            name = signal.Signals(-code).name
        name = name or f"signal {-code}"
    return {"mode": mode, "exit_code": code, "signal": name, "ended": ended, "seconds": round(seconds, 3)}


def end_group(leader: int, wait: Callable[[float], Any]) -> None:
    """Ends a process and everything in its group: first asked, then killed. `wait` waits for the leader, or raises."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(leader, number)
        except (ProcessLookupError, PermissionError):
            break
        with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt, ProcessLookupError, PermissionError):
            wait(GRACE)
            os.killpg(leader, 0)  # raises where nobody of the group is left
            # Its own children may still hold on: they are in the same group, and get the second signal.
            time.sleep(0.05)
    with contextlib.suppress(Exception):
        wait(GRACE)

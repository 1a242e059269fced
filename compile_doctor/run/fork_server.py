"""Starts children of the probe without importing torch in each: `probe.entry.server` has imported it, and forks them.

Written by hand, not with multiprocessing's fork server: that one calls functions in children that have no environment,
output and time limit of their own, and imports the caller's main module in each.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from glob import glob
from types import TracebackType
from typing import Any

from compile_doctor.errors import DoctorError
from compile_doctor.processes.children import NOT_STARTED, Kept, child_environment, require_torch, result, start, watch

STARTING = 120.0
"""Time limit for importing torch, in seconds."""


def has_accelerator() -> bool:
    """Whether the machine has a GPU of NVIDIA or AMD, as far as Linux shows without asking a driver."""
    return bool(glob("/dev/nvidia*")) or os.path.exists("/dev/kfd")


def possible() -> bool:
    """Whether this is Linux without a GPU: importing torch may query the driver, and then the process must not fork."""
    return sys.platform == "linux" and not has_accelerator()


def fork_server(children: int, jobs: int, at_once: bool) -> AbstractContextManager[ForkServer | None]:
    """A server for this many children, `jobs` in parallel, or None if it would not save time or is not possible.

    With `at_once` it imports torch while compile-doctor imports its other modules; otherwise at the first child.
    """
    return ForkServer(children, jobs, at_once) if children > 1 and possible() else nullcontext()


class ForkServer:
    """`start` is a `children.Start`. If the server does not start, or dies, each child imports torch itself."""

    def __init__(self, children: int = 0, jobs: int = 1, at_once: bool = False) -> None:
        cores = len(os.sched_getaffinity(0))
        self._expected = [str(children), "idle" if jobs < cores else "busy"]
        self._at_once = at_once
        self._lock = threading.Lock()
        self._stopped = False
        self._gone = False
        """Whether it was started and has ended."""
        self._kept: Kept | None = None

    def __enter__(self) -> ForkServer:
        if self._at_once:
            self._begin()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _begin(self) -> None:
        require_torch()
        self._socket, theirs = socket.socketpair()
        # torch makes its trace handler at import, and only if the variable is set; each child gets its own folder.
        environment = child_environment(os.environ, tempfile.gettempdir())
        command = [sys.executable, "-m", "compile_doctor.probe.entry.server", str(theirs.fileno()), *self._expected]
        with theirs:
            self._kept = start(command, environment, share=[theirs.fileno()])

    def stop(self) -> None:
        """Ends the server, also while it starts; threads that wait for it continue."""
        self._stopped = True
        self._end()

    def _end(self) -> None:
        """The server's keeper ends it and all its children."""
        with self._lock:
            kept, self._kept, self._gone = self._kept, None, True
            if kept is not None:
                self._socket.close()
                kept.end()

    def start(
        self, mode: str, command: Sequence[str], environment: Mapping[str, str], timeout: float | None
    ) -> dict[str, Any]:
        """As `children.watch`; the last argument of `command` is the child's file of settings.

        Raises DoctorError once the server was stopped.
        """
        kept = self._forked({"settings": command[-1], "environment": dict(environment), "limit": timeout})
        if self._stopped:
            raise DoctorError(NOT_STARTED)
        return watch(mode, command, environment, timeout) if kept is None else result(mode, kept)

    def _forked(self, request: dict[str, Any]) -> Kept | None:
        """A child that has begun; None if the server has ended, or does not start in time.

        A server that is late is ended: it would still fork the child, into the folder of the child that replaces it.
        """
        ours, theirs = socket.socketpair()
        ours.settimeout(STARTING)
        late = False
        try:
            with theirs, self._lock:
                if self._stopped or self._gone:
                    return None
                if self._kept is None:
                    self._begin()
                socket.send_fds(self._socket, [b"+"], [theirs.fileno()])
            ours.sendall((json.dumps(request) + "\n").encode())
            kept = Kept(ours, STARTING)
            if kept.begin(request["limit"]):
                return kept
            late = kept.late
        except OSError as error:
            ours.close()
            late = isinstance(error, TimeoutError)
        if late:
            self._end()
        return None

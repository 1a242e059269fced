"""Children of the probe without the import of torch: asks `probe.server`, which has it imported, to fork them."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from glob import glob
from types import TracebackType
from typing import Any

from compile_doctor.errors import DoctorError
from compile_doctor.run.children import GRACE, NOT_STARTED, child_environment, end_group, how_it_ended, known, watch

STARTING = 120.0
"""Seconds that importing torch may take."""


def possible() -> bool:
    """Linux without a GPU: a process that has asked the driver for devices must not fork, and importing torch may ask."""
    return sys.platform == "linux" and not glob("/dev/nvidia*") and not os.path.exists("/dev/kfd")


def fork_server(children: int, jobs: int, at_once: bool) -> AbstractContextManager[ForkServer | None]:
    """A server for that many children, `jobs` at a time, or None where it would not pay or must not be.

    `at_once`: it imports torch while the doctor imports the rest of itself; otherwise it waits for the first child.
    """
    return ForkServer(children, jobs, at_once) if children > 1 and possible() else contextlib.nullcontext()


class ForkServer:
    """`start` is a `children.Start`. Where the server does not come up, or dies, children are started the slow way."""

    def __init__(self, children: int = 0, jobs: int = 1, at_once: bool = False) -> None:
        cores = len(os.sched_getaffinity(0))
        self._expected = [str(children), "idle" if jobs < cores else "busy"]
        self._at_once = at_once
        self._lock = threading.Lock()
        self._answers: dict[int, queue.SimpleQueue[dict[str, Any] | None]] = {}
        self._asked = 0
        self._stopped = False
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> ForkServer:
        if self._at_once:
            self._begin()
        return self

    def _begin(self) -> None:
        ours, theirs = socket.socketpair()
        # torch makes its trace handler at import, and only where the variable is set; each child gets its own place.
        environment = child_environment(os.environ, tempfile.gettempdir())
        command = [sys.executable, "-m", "compile_doctor.probe.entry.server", str(theirs.fileno()), *self._expected]
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            stderr=sys.stderr,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()
        self._socket = ours
        threading.Thread(target=self._listen, daemon=True).start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends the server, also while it starts: who waits for it, waits no longer."""
        with self._lock:
            self._stopped = True
        if self._process is None:
            return
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        end_group(self._process.pid, self._process.wait)

    def start(
        self, mode: str, command: Sequence[str], environment: Mapping[str, str], timeout: float | None
    ) -> dict[str, Any]:
        """As `children.watch`; the last word of `command` is the child's file of settings.

        Raises DoctorError once the server was stopped.
        """
        answers: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        with self._lock:
            if self._stopped:
                raise DoctorError(NOT_STARTED)
            if self._process is None:
                self._begin()
            self._asked += 1
            number = self._asked
            self._answers[number] = answers
        request = {"id": number, "settings": command[-1], "environment": dict(environment)}
        first = None
        with contextlib.suppress(OSError):
            self._socket.sendall((json.dumps(request) + "\n").encode())
            first = self._first(self._process, answers)
        if first is None and self._stopped:
            raise DoctorError(NOT_STARTED)
        if first is None:
            return watch(mode, command, environment, timeout)
        ended, code = "exited", None
        began = time.monotonic()  # what came before was the server's import of torch: no time of the target's
        try:
            with known(first["pid"]):
                last = answers.get(timeout=timeout)
            code = None if last is None else int(last["status"])
        except queue.Empty:
            ended = "timeout"
        except KeyboardInterrupt:
            ended = "interrupted"
        finally:
            end_group(first["pid"], lambda seconds: None if code is not None else _wait(answers, seconds))
        return how_it_ended(mode, ended, code, time.monotonic() - began)

    @staticmethod
    def _first(
        server: subprocess.Popen[bytes] | None, answers: queue.SimpleQueue[dict[str, Any] | None]
    ) -> dict[str, Any] | None:
        """The answer with the child's process id; None where the server does not come up in time.

        It is ended then: it would still fork the child, into the folder of the one that is started the slow way.
        """
        with contextlib.suppress(queue.Empty):
            return answers.get(timeout=STARTING)
        if server is not None:
            end_group(server.pid, server.wait)
        with contextlib.suppress(queue.Empty):
            late = answers.get(timeout=GRACE)
            if late is not None:
                end_group(late["pid"], lambda seconds: None)
        return None

    def _listen(self) -> None:
        """Hands the server's answers to those who wait for them; None to all where it has gone."""
        with contextlib.suppress(OSError, ValueError), self._socket.makefile("r", encoding="utf-8") as lines:
            for line in lines:
                answer = json.loads(line)
                self._answers[answer["id"]].put(answer)
        for answers in list(self._answers.values()):
            answers.put(None)


def _wait(answers: queue.SimpleQueue[dict[str, Any] | None], seconds: float) -> None:
    """Raises what `end_group` expects of a wait."""
    try:
        answers.get(timeout=seconds)
    except queue.Empty:
        raise subprocess.TimeoutExpired("child", seconds) from None

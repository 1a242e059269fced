"""How many children run side by side: as many as asked for, and as memory allows."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from compile_doctor.errors import DoctorError
from compile_doctor.processes.children import NOT_STARTED, Start

ROOM = 4 << 30
"""Bytes of memory that have to be free before one more child is started in parallel."""


class Children:
    """Limits how many children run in parallel: at most `most`, and more than one only if enough memory is free."""

    def __init__(self, most: int) -> None:
        self.most = max(1, most)
        self._running = 0
        self._stopped = False
        self._changed = threading.Condition()

    def stop(self) -> None:
        """Prevents further starts."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    @contextmanager
    def one(self) -> Iterator[None]:
        """The block begins when it may: one child runs in it. Raises DoctorError after `stop`."""
        with self._changed:
            while not (self._stopped or self._may()):
                self._changed.wait(0.2)  # nothing notifies us of freed memory
            if self._stopped:
                raise DoctorError(NOT_STARTED)
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify()

    def limited(self, start: Start) -> Start:
        """`start`, which first waits until it may. Raises DoctorError after `stop`."""

        def begin(mode: str, command: Sequence[str], environment: Mapping[str, str], timeout: float | None) -> Any:
            with self.one():
                return start(mode, command, environment, timeout)

        return begin

    def _may(self) -> bool:
        return self._running == 0 or (self._running < self.most and _free() > ROOM)


def _free() -> int:
    """Bytes of memory that are available on the machine; a huge number if that is unknown."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 1 << 62

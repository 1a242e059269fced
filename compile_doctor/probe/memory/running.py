"""Memory of attention in a program that runs anyway (`run --memory`): the first calls of each graph, under torch's profiler.

Nothing is called a second time, and no statistic of the program's is reset: the profiler reports every allocation, on a
CPU and on a GPU.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch.profiler import profile

from compile_doctor.capture import schema
from compile_doctor.probe import compat, devices
from compile_doctor.probe.memory.profile import Mark, allocated, gpu_kernels, marked
from compile_doctor.probe.observe.events import EventLog

MEASURED = 2
"""Calls of each graph that are profiled: the first one may also tune kernels, and the second may be the last."""


class RunningMemory:
    """`window` goes around each graph and each dense call; `write` records whether memory was measured, and why not."""

    def __init__(self, log: EventLog) -> None:
        self.log = log
        self._calls: dict[str, int] = {}
        self._busy = threading.Lock()
        self._measured = False
        self._reason = "no graph with attention ran at the sizes at which it was compiled"

    @contextmanager
    def window(self, name: str) -> Iterator[None]:
        """Profiles what is inside; one at a time in a process, because a profiler sees every thread."""
        if self._calls.get(name, 0) >= MEASURED or not self._busy.acquire(blocking=False):
            yield
            return
        try:
            profiler = self._begin()
            if profiler is None:
                yield
                return
            finished = False
            try:
                with Mark(name):
                    yield
                    devices.in_use().synchronize()
                finished = True
            finally:
                self._end(profiler, name, finished)
        finally:
            self._busy.release()

    def write(self) -> None:
        """The last record about memory of this process."""
        self.log.write(schema.MemoryPass(done=self._measured, reason=None if self._measured else self._reason))

    def _begin(self) -> Any:
        """A profiler that runs; None if the program itself profiles, or none can be started."""
        if compat.is_profiling():
            self._reason = "the program's own profiler was running"
            return None
        try:
            profiler = profile(activities=devices.in_use().activities, profile_memory=True)
            with compat.outside_modes():
                profiler.__enter__()
            return profiler
        except Exception as error:  # a profiler that cannot start must not break the program
            self._reason = f"torch's profiler does not start: {type(error).__name__}: {str(error)[:200]}"
            return None

    def _end(self, profiler: Any, name: str, finished: bool) -> None:
        """Stops the profiler; records what it saw, unless the program's call raised."""
        try:
            with compat.outside_modes():
                profiler.__exit__(None, None, None)
            if not finished:
                return
            device = devices.in_use()
            found = marked(profiler.profiler.kineto_results.experimental_event_tree())
            peak, largest = max(allocated(event) for event in found[name])
            kernels = gpu_kernels(profiler, device.type) if device.runs_kernels else []
            self.log.write(schema.Memory(window=name, peak=peak, largest=largest, kernels=kernels))
            self._calls[name] = self._calls.get(name, 0) + 1
            self._measured = True
        except Exception as error:  # what could not be read is not measured, and the program goes on
            self._reason = f"the profiler's events could not be read: {type(error).__name__}: {str(error)[:200]}"

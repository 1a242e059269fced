"""Counts, for each function that Inductor wraps for CUDA graphs, how often it warmed up, was recorded and was replayed.

torch names the reasons why a graph is not captured in its logs (observe/logs.py), but not what happened in the end: with
graph partitions, a graph of which nothing is captured leaves no message at all (torch 2.9 to 2.15).
"""

from __future__ import annotations

from collections import Counter

from compile_doctor.capture import schema
from compile_doctor.probe import compat
from compile_doctor.probe.observe.events import EventLog


class CudaGraphs:
    """`install` before the target is compiled; `write` when it has run."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, int], Counter[str]] = {}
        self._watched = False

    def install(self) -> None:
        """Not for a run on a CPU: it imports what wraps CUDA graphs."""
        self._watched = True
        compat.watch_cuda_graphs(self._saw)

    def _saw(self, what: str, compile_id: str, mode: str, function: int) -> None:
        self._counts.setdefault((compile_id, mode, function), Counter())[what] += 1

    def write(self, log: EventLog) -> None:
        if not self._watched:
            return
        log.write(
            schema.CudaGraphs(
                functions=[
                    schema.CudaGraphFunction(compile_id, mode, counts["warm-up"], counts["recording"], counts["replay"])
                    for (compile_id, mode, _), counts in self._counts.items()
                ]
            )
        )


def is_told(message: str) -> bool:
    """Whether a record of torch's logger `cudagraphs` (or `perf_hints`, before 2.11) says why something is not captured."""
    return "skipping cudagraph" in message or message.startswith(_TOLD)


_TOLD = ("CUDAGraph supports dynamic shapes", "Created ", "  Partition ", "    ")

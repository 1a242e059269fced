"""Attention whose scores are written out: where, how large, and that no fused kernel replaced it."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

from compile_doctor.analysis.attention.calls import place
from compile_doctor.analysis.attention.verdicts import NO_SCORES
from compile_doctor.model.attention import Graph, Written
from compile_doctor.model.compilations import Compilation
from compile_doctor.model.evidence import Evidence
from compile_doctor.model.sizes import are_large, item_bytes
from compile_doctor.model.stacks import Frame

_MEASURED = ("fast-path", "broadcast")


@dataclass(frozen=True)
class WrittenScores:
    """One line of the source that holds a table of scores for each head."""

    frame: Frame | None
    """The innermost line outside of torch; None if the target itself is a module of torch."""
    how: str
    shape: tuple[int, ...]
    """(…, queries, keys) of the largest table."""
    bytes: int
    """Of the largest table."""
    count: int
    """Tables of all graphs: one for each layer."""
    dropout: bool
    """A dropout is applied to the weights."""
    largest: int | None
    """Bytes of the largest single allocation that the profiler saw in its graph; None if memory was not measured."""
    stack: tuple[Frame, ...]


def written_scores(evidence: Evidence) -> tuple[WrittenScores, ...]:
    """In the order of the graphs. Only what ran, and what is known to be no fused kernel."""
    root: str | None = evidence.environment.get("torch_root")
    held: dict[tuple[str, int, str], list[tuple[Written, int | None]]] = defaultdict(list)
    frames: dict[tuple[str, int, str], Frame | None] = {}
    for compilation in evidence.compilations:
        graph = compilation.graph
        if graph is None or not evidence.attention.ran.get((compilation.process, graph.number)):
            continue
        largest = _largest(evidence, compilation, graph)
        for one in _dense(graph, compilation, largest):
            if are_large(math.prod(one.scores), one.inputs):
                frame = place((*graph.callers, *one.stack), root)
                key = (frame.file, frame.line, one.how) if frame else ("", 0, one.how)
                frames.setdefault(key, frame)
                held[key].append((one, largest))
    return tuple(_merged(frames[key], key[2], found) for key, found in held.items())


def _merged(frame: Frame | None, how: str, found: list[tuple[Written, int | None]]) -> WrittenScores:
    most = max((one for one, _ in found), key=_bytes)
    largest = max((one for _, one in found if one is not None), default=None)
    # Inductor may keep a float32 table in half precision: no table is larger than the largest allocation.
    size = _bytes(most) if largest is None else min(_bytes(most), largest)
    return WrittenScores(frame, how, most.scores, size, len(found), most.dropout, largest, most.stack)


def _dense(graph: Graph, compilation: Compilation, largest: int | None) -> list[Written]:
    """Those that no fused kernel computes; what is not certain is left out."""
    # Torch fuses the fast path on some devices, and Inductor may fuse what no library computes: only memory shows that it is dense.
    measured = [one for one in graph.written if one.how in _MEASURED]
    found = [one for one in measured if (largest or 0) >= NO_SCORES * _bytes(one)]
    if compilation.kernels is None:
        return found  # no generated code: the pattern matcher may have fused the others
    kernels = [kernel for kernel in compilation.kernels if kernel.api == "sdpa"]
    named = {node for kernel in kernels for node in kernel.nodes}
    others = [one for one in graph.written if one not in measured and not named & set(one.nodes)]
    # A table is one allocation, in half precision at least half as large: without such a one there is none.
    others = [one for one in others if largest is None or largest >= NO_SCORES * _bytes(one)]
    # A kernel that the pattern matcher puts in names no call: only what makes its inputs, or nothing. Whose it is, is known
    # only if all tables are of one line.
    calls = {node.node for node in graph.attention} | {node for one in graph.written for node in one.nodes}
    unclaimed = sum(kernel.calls for kernel in kernels if not calls & set(kernel.nodes))
    if unclaimed and len({one.stack for one in others}) > 1:
        return found
    return [*found, *others[unclaimed:]]


def _largest(evidence: Evidence, compilation: Compilation, graph: Graph) -> int | None:
    name = f"{compilation.process}:graph:{graph.number}"
    return next((window.largest for window in evidence.attention.windows if window.name == name), None)


def _bytes(one: Written) -> int:
    return math.prod(one.scores) * item_bytes(one.dtype)

"""Compares the counts that torch's trace, loggers and counters have of the same thing, and reports differences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from compile_doctor.model.evidence import Evidence


@dataclass(frozen=True)
class Count:
    """A count in the structured trace, and the same count from another source (`by`)."""

    what: str
    traced: int
    other: int
    by: str

    def __str__(self) -> str:
        return f"{self.what}: {self.traced} in the structured trace, {self.other} {self.by}"


def disagreements(evidence: Evidence) -> tuple[str, ...]:
    """One sentence for each count on which the trace, the loggers and Dynamo's counters differ."""
    return tuple(str(one) for one in _counts(evidence) if one.traced != one.other)


def shortfalls(evidence: Evidence) -> tuple[str, ...]:
    """The disagreements in which the trace has less: a part of it is lost. (If it has more, counters may have been reset.)"""
    return tuple(f"a part of the trace is lost: {one}" for one in _counts(evidence) if one.traced < one.other)


def _counts(evidence: Evidence) -> Iterator[Count]:
    if not evidence.counts:
        return  # no process finished, or there was no probe: nothing to compare the trace with
    ended = {counts.process for counts in evidence.counts}
    compilations = [c for c in evidence.compilations if c.process in ended]
    graphs = sum(c.graphs for c in compilations if c.guarded)
    counted = sum(counts.counters.get("stats", {}).get("unique_graphs", 0) for counts in evidence.counts)
    # A graph whose guards could not be made is counted, and so is one whose backend raised on some versions.
    failed = sum(c.graphs for c in compilations if not c.guarded and c.fail_type)
    graphs = max(graphs, min(counted, graphs + failed))
    yield Count("graphs", graphs, counted, "by Dynamo's counter unique_graphs")
    traced = sum(1 for b in evidence.breaks if b.source == "dynamo_graph_break_reason")
    logged = sum(
        1 for record in evidence.logs if record.kind == "graph_break" and " in user code at " in record.message
    )
    yield Count("break records", traced, logged, "from TORCH_LOGS' graph_breaks")
    recompiles = sum(1 for c in evidence.compilations if c.recompile_reasons)
    refused = sum(evidence.facts.beyond_limit.values())
    logged = sum(1 for record in evidence.logs if record.kind == "recompile")
    yield Count("recompiles", recompiles + refused, logged, "from TORCH_LOGS' recompiles")

"""Compares what torch's sources say about the same thing, and says where they disagree."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.evidence import Evidence


def disagreements(evidence: Evidence) -> tuple[str, ...]:
    """One sentence for each count on which the trace, the loggers and Dynamo's counters differ."""
    return tuple(_compare(evidence))


def _compare(evidence: Evidence) -> Iterator[str]:
    if not evidence.counts:
        return  # no process came to its end, or there was no probe: nothing to compare the trace with
    ended = {counts.process for counts in evidence.counts}
    compilations = [c for c in evidence.compilations if c.process in ended]
    graphs = sum(c.graphs for c in compilations if c.guarded)
    counted = sum(counts.counters.get("stats", {}).get("unique_graphs", 0) for counts in evidence.counts)
    if graphs != counted:
        yield f"graphs: {graphs} in the structured trace, {counted} by Dynamo's counter unique_graphs"
    traced = sum(1 for b in evidence.breaks if b.source == "dynamo_graph_break_reason")
    logged = sum(
        1 for record in evidence.logs if record.kind == "graph_break" and " in user code at " in record.message
    )
    if traced != logged:
        yield f"break records: {traced} in the structured trace, {logged} from TORCH_LOGS' graph_breaks"
    recompiles = sum(1 for c in evidence.compilations if c.recompile_reasons)
    refused = sum(evidence.manifest.get("beyond_limit", {}).values())
    said = sum(1 for record in evidence.logs if record.kind == "recompile")
    if recompiles + refused != said:
        yield f"recompiles: {recompiles + refused} in the structured trace, {said} from TORCH_LOGS' recompiles"

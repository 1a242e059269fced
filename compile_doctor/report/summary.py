"""The figures of a run: graphs, graph breaks, recompilations and what was captured."""

from __future__ import annotations

from typing import Any

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.graph_breaks.by_design import is_deliberate
from compile_doctor.model.stacks import function_name
from compile_doctor.source import locations


def summary_of(seen: AnalysisContext) -> dict[str, Any]:
    """The figures by their names in JSON; a count but for `compile_seconds`."""
    compilations = [
        c for c in seen.evidence.compilations if not locations.is_interior(c.file, function_name(c.function))
    ]
    recompiles = [c for group in seen.recompiled for c in group.compilations]
    return {
        "graphs": sum(c.graphs for c in compilations if c.guarded),
        "graph_breaks": len(seen.sites),
        "deliberate_breaks": sum(1 for site in seen.sites if is_deliberate(seen, site)),
        "recompiles": len(recompiles),
        "frames_compiled": sum(1 for c in compilations if c.guarded),
        "frames_skipped": len(seen.skipped),
        "ops_captured": sum(c.ops for c in compilations),
        "compile_seconds": round(sum(c.seconds or 0.0 for c in compilations), 1),
    }

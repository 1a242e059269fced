"""Remarks of a report that are not findings, and why a comparison is missing or in doubt."""

from __future__ import annotations

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.model.evidence import Evidence
from compile_doctor.source import locations


def doubted(evidence: Evidence) -> str | None:
    """A difference that is not reported as an error, and why."""
    facts = evidence.facts
    what = facts.unlike or f"it differs by up to {evidence.max_difference or 0.0:.2g}"
    return f"{what}, but {facts.doubt}; --numerics compares more" if facts.doubt else None


def drawn(evidence: Evidence) -> str | None:
    """Why two runs cannot be compared that drew random numbers."""
    return "the model draws random numbers (dropout in train mode?)" if evidence.facts.random else None


def float8_layers(evidence: Evidence, seen: AnalysisContext) -> list[str]:
    """A note that float8 linear layers are not a problem: only the dtypes of q, k and v matter."""
    layers = evidence.facts.float8_layers
    dtypes = {tensor.dtype for one in seen.attention for tensor in one.site.inputs if tensor}
    if not layers or not dtypes or any(dtype.startswith("float8") for dtype in dtypes):
        return []
    named = ", ".join(layers[:3]) + (", …" if len(layers) > 3 else "")
    return [
        f"the model has float8 layers ({len(layers)}: {named}), which is fine: "
        f"the inputs of attention are {', '.join(sorted(dtypes))}"
    ]


def without_tma(seen: AnalysisContext) -> list[str]:
    """A note for each call that asks for TMA and got a kernel without it."""
    return [
        f"flex_attention at {locations.short(verdict.site.frame.file)}:{verdict.site.frame.line} asks for TMA (USE_TMA), and its "
        "kernel loads without it: torch turns it off without a message on GPUs before Hopper, and unless the last "
        "dimension of query, key and value is contiguous and their other strides are multiples of 16 bytes"
        for verdict in seen.attention
        if any(one.node.tma and one.kernel is not None and one.kernel.tma is False for one in verdict.site.lowerings)
    ]


def without_cuda_graphs(evidence: Evidence) -> list[str]:
    """A note that says how memory was measured, if it was not measured as the target runs."""
    if not evidence.attention.cuda_graphs_off:
        return []
    return ["memory was measured with CUDA graphs off: the replay of a graph allocates nothing"]
